// SPDX-License-Identifier: Apache-2.0
// Any bytes as tokenizer.json: refused with a typed error, or a tokenizer that ends on every text with ids in range,
// whose spans lie inside the text, and whose streamed decoding equals decoding at once.
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "tests/fuzz/oracle.h"
#include "tests/support/temp_folder.h"
#include "text/tokenizer.h"

namespace {

using afina::require;
using afina::text::StreamDecoder;
using afina::text::TextRange;
using afina::text::Tokenizer;
using afina::text::TokenSpan;

// What patterns and normalisers look at, in a hundred mixtures.
std::vector<std::string> texts() {
  const char* const parts[] = {"Hola",  " mundo", "  ",     "\n\n", "123",     "ñandú",        "e\u0301", "中文",
                               "<s>",   "🦙",   "\u3000", "'ll",  "aaaaaaa", "<|eot|>",      "½",       ".,!?",
                               "~~  x", "\t",     "각",     "A",    "\u2581b", "a\u0323\u0302"};
  std::vector<std::string> list = {""};
  uint32_t state = 1;
  while (list.size() < 100) {
    std::string text;
    for (size_t n = list.size() % 9 + 1; n > 0; --n) {
      state = state * 1664525 + 1013904223;
      text += parts[(state >> 16) % std::size(parts)];
    }
    list.push_back(text);
  }
  return list;
}

void check(const Tokenizer& tokenizer, const std::string& text) {
  const TextRange middle{text.size() / 3, text.size() / 2};
  tokenizer.encode_marked(text, {&middle, 1});
  std::vector<int32_t> ids;
  for (const TokenSpan& span : tokenizer.encode_spans(text, {.parse_special = true, .add_special = true})) {
    require(span.id >= 0 && span.id < tokenizer.vocab_size(), "ids are in range");
    require(span.begin <= span.end && span.end <= text.size(), "spans lie inside the text");
    ids.push_back(span.id);
  }
  StreamDecoder stream(tokenizer);
  std::string streamed;
  for (const int32_t id : ids)
    streamed += stream.push(id);
  require(streamed + stream.flush() == tokenizer.decode(ids, true), "streamed decoding is decoding");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const afina::TempFolder folder;
  static const std::vector<std::string> all = texts();
  const auto path = folder.path() / "made.json";
  afina::write_file_atomic(path, std::string(reinterpret_cast<const char*>(data), size));
  try {
    const Tokenizer tokenizer = afina::text::load_tokenizer_json(path);
    // The first text that a pattern takes too long for, or that needs an unknown token that is none, ends the round.
    for (const std::string& text : all)
      check(tokenizer, text);
  } catch (const afina::Error&) {
  }
  return 0;
}
