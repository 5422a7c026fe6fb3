// SPDX-License-Identifier: Apache-2.0
#include "lora/config/python_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "base/error.h"

namespace afina::lora {
namespace {

constexpr size_t kMaxPattern = 4096;
constexpr uint32_t kMatchLimit = 200'000;
constexpr uint32_t kDepthLimit = 2'000;
constexpr uint32_t kHeapLimitKib = 16 * 1024;

[[noreturn]] void refuse(const std::string& key, std::string_view pattern, const std::string& why) {
  throw UsageError(cat("[lora.config] ", key, " must be a regular expression of Python, but '", pattern.substr(0, 80),
                       "' ", why, "."));
}

/// Rewrites what PCRE2 reads otherwise than Python's re.
class Translation {
 public:
  Translation(std::string_view pattern, const std::string& key) : in_(pattern), key_(key) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape();
      } else if (in_class_) {
        inside_class(c);
      } else if (c == '[') {
        open_class();
      } else if (c == '(') {
        group();
      } else if (c == '{' && next_is(1, ',')) {
        out_ += "{0";
        ++at_;
      } else {
        out_ += c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  bool next_is(size_t ahead, char c) const { return at_ + ahead < in_.size() && in_[at_ + ahead] == c; }

  void open_class() {
    in_class_ = true;
    out_ += '[';
    ++at_;
    if (next_is(0, '^')) {
      out_ += '^';
      ++at_;
    }
    if (next_is(0, ']')) {
      out_ += "\\]";
      ++at_;
    }
  }

  void inside_class(char c) {
    if (c == '[') out_ += '\\';  // Python knows no [:alpha:]
    if (c == ']') in_class_ = false;
    out_ += c;
    ++at_;
  }

  void escape() {
    if (at_ + 1 >= in_.size()) refuse(key_, in_, "ends with a backslash");
    const char c = in_[at_ + 1];
    at_ += 2;
    if (c == 'Z') {
      out_ += "\\z";
    } else if (c == 'v') {
      out_ += "\\x0b";
    } else if (c == 'u' || c == 'U') {
      const size_t digits = c == 'u' ? 4 : 8;
      const auto code = in_.substr(at_, digits);
      if (code.size() != digits || code.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
        refuse(key_, in_, cat("has a broken \\", c));
      out_ += cat("\\x{", code, "}");
      at_ += digits;
    } else {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (letter && std::string_view("abBAdDfnrsStwWx").find(c) == std::string_view::npos)
        refuse(key_, in_, cat("has the escape \\", c, ", which Python does not know"));
      out_ += '\\';
      out_ += c;
    }
  }

  void group() {
    if (next_is(1, '*')) refuse(key_, in_, "has nothing to repeat in '(*'");
    if (next_is(1, '?') && at_ + 2 < in_.size()) {
      const char kind = in_[at_ + 2];
      const bool digit = kind >= '0' && kind <= '9';
      const bool relative =
          (kind == '+' || kind == '-') && at_ + 3 < in_.size() && in_[at_ + 3] >= '0' && in_[at_ + 3] <= '9';
      if (digit || relative || kind == 'R' || kind == '&' || kind == 'C' || kind == '|' ||
          (kind == 'P' && next_is(3, '>')))
        refuse(key_, in_, "uses recursion or another group that Python does not know");
    }
    out_ += '(';
    ++at_;
  }

  std::string_view in_;
  const std::string& key_;
  std::string out_;
  size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

struct PythonRegex::State {
  std::string pattern, key;
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code{nullptr, &pcre2_code_free};
};

PythonRegex::PythonRegex(std::string_view pattern, const std::string& key) : state_(std::make_unique<State>()) {
  if (pattern.size() > kMaxPattern)
    refuse(key, pattern, cat("has ", pattern.size(), " characters, more than ", kMaxPattern));
  const std::string translated = Translation(pattern, key).run();
  int error = 0;
  size_t offset = 0;
  state_->pattern = pattern;
  state_->key = key;
  state_->code.reset(pcre2_compile(reinterpret_cast<const PCRE2_UCHAR8*>(translated.data()), translated.size(),
                                   PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  if (state_->code) return;
  std::array<PCRE2_UCHAR8, 160> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  refuse(key, pattern, cat("is not: ", reinterpret_cast<const char*>(text.data())));
}

PythonRegex::~PythonRegex() = default;
PythonRegex::PythonRegex(PythonRegex&&) noexcept = default;
PythonRegex& PythonRegex::operator=(PythonRegex&&) noexcept = default;

bool PythonRegex::full_match(std::string_view text) const {
  return run(text, true);
}

bool PythonRegex::match(std::string_view text) const {
  return run(text, false);
}

bool PythonRegex::run(std::string_view text, bool whole) const {
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> limits(
      pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  pcre2_set_match_limit(limits.get(), kMatchLimit);
  pcre2_set_depth_limit(limits.get(), kDepthLimit);
  pcre2_set_heap_limit(limits.get(), kHeapLimitKib);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(state_->code.get(), nullptr), &pcre2_match_data_free);
  const uint32_t options = PCRE2_ANCHORED | (whole ? PCRE2_ENDANCHORED : 0U);
  const int found = pcre2_match(state_->code.get(), reinterpret_cast<const PCRE2_UCHAR8*>(text.data()), text.size(), 0,
                                options, data.get(), limits.get());
  if (found >= 0) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  refuse(state_->key, state_->pattern, "does not end within its match limit");
}

}  // namespace afina::lora
