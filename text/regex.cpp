// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <chrono>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/code_point.h"

namespace afina::text {

namespace {

constexpr size_t kMaxPatternBytes = 16384;
constexpr uint32_t kMatchSteps = 4'000'000;  // of one search; a megabyte of one letter needs a quarter of it
constexpr size_t kJitStackBytes = size_t{8} << 20;
// A pattern that searches long again and again stays below the limit of one search: the whole scan has a time, too.
constexpr std::chrono::milliseconds kScanTime{800};
constexpr size_t kBytesPerScanTime = size_t{1} << 20;

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

std::string shown(std::string_view pattern) {
  return pattern.size() <= 120 ? std::string(pattern) : repair_utf8(pattern.substr(0, 120)) + "…";
}

}  // namespace

struct Regex::Compiled {
  std::string pattern;  // as the file spells it, for messages
  std::unique_ptr<pcre2_code, Free> code;
};

Regex::Regex(std::string_view pattern, const std::string& where) : compiled_(std::make_unique<Compiled>()) {
  if (pattern.size() > kMaxPatternBytes) {
    throw ModelError(
        cat("[", where, "] a pattern must have at most ", kMaxPatternBytes, " bytes, but has ", pattern.size()));
  }
  compiled_->pattern = shown(pattern);
  std::string translated;
  try {
    translated = translate_pattern(pattern);
  } catch (const ModelError& error) {
    throw ModelError(cat("[", where, "] the pattern '", compiled_->pattern, "' ", error.what()));
  }
  const std::unique_ptr<pcre2_compile_context, Free> context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_bsr(context.get(), PCRE2_BSR_UNICODE);
  pcre2_set_parens_nest_limit(context.get(), 100);
  int error = 0;
  PCRE2_SIZE at = 0;
  // Ruby's ^ and $ are those of lines. No UCP: the translation leaves no class to the engine.
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                      PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                      &error, &at, context.get()));
  if (compiled_->code == nullptr) {
    throw ModelError(cat("[", where, "] the pattern '", compiled_->pattern, "' must be a regular expression, but ",
                         message_of(error)));
  }
  pcre2_jit_compile(compiled_->code.get(), PCRE2_JIT_COMPLETE);  // without JIT the interpreter gives the same matches
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

void Regex::find_all(std::string_view text, std::vector<TextRange>& matches) const {
  const std::unique_ptr<pcre2_match_data, Free> data(
      pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
  const std::unique_ptr<pcre2_match_context, Free> context(pcre2_match_context_create(nullptr));
  std::unique_ptr<pcre2_jit_stack, Free> stack;
  if (text.size() > 4096) {  // the engine's own 32 KiB do for less
    stack.reset(pcre2_jit_stack_create(32768, kJitStackBytes, nullptr));
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
  pcre2_set_match_limit(context.get(), kMatchSteps);
  pcre2_set_heap_limit(context.get(), 64 << 10);  // KiB
  const auto fail = [&](const std::string& why) {
    throw DataError(cat("[tokenizer] the pattern '", compiled_->pattern, "' must match a text of ", text.size(),
                        " bytes in bounded time, but ", why));
  };
  const auto start = std::chrono::steady_clock::now();
  const auto time = kScanTime * static_cast<int>(1 + text.size() / kBytesPerScanTime);
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t from = 0;
  size_t last_end = std::string_view::npos;
  for (size_t searches = 1; from <= text.size(); ++searches) {
    const int found =
        pcre2_match(compiled_->code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    if (found == PCRE2_ERROR_NOMATCH) return;
    if (found < 0) fail(message_of(found));
    if (searches % 16 == 0 && std::chrono::steady_clock::now() - start > time) fail("takes too long");
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
    const size_t begin = ends[0];
    const size_t end = ends[1];
    if (begin > end) fail("it ends before it begins");
    if (begin == end && end == last_end) {
      from += from < text.size() ? decode_at(text, from).length_bytes : 1;
      continue;
    }
    from = last_end = end;
    matches.push_back({begin, end});
  }
}

}  // namespace afina::text
