// SPDX-License-Identifier: Apache-2.0
// Two made tokenizers that use every part of tokenizer.json, and public vocabularies, token by token against Hugging
// Face.
#include <gtest/gtest.h>

#include <ctime>

#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "tests/support/golden.h"
#include "text/tokenizer.h"

namespace afina::text {
namespace {

using Ids = std::vector<int32_t>;

class MadeTokenizer : public testing::TestWithParam<const char*> {
 protected:
  MadeTokenizer()
      : tokenizer_(load_tokenizer_json(golden_path(std::string("text/tokenizer_") + GetParam() + ".json"))),
        cases_(parse_json(read_file(golden_path(std::string("text/cases_") + GetParam() + ".json")), "cases")) {}
  Tokenizer tokenizer_;
  Json cases_;
};

TEST_P(MadeTokenizer, gives_the_golden_ids_with_and_without_special_tokens) {
  ASSERT_EQ(cases_.size(), 137u);
  for (const auto& c : cases_) {
    const auto text = c["text"].get<std::string>();
    EXPECT_EQ(tokenizer_.encode(text, {.parse_special = true}), c["ids_plain"].get<Ids>()) << text;
    EXPECT_EQ(tokenizer_.encode(text, {.parse_special = true, .add_special = true}), c["ids"].get<Ids>()) << text;
  }
}

TEST_P(MadeTokenizer, decodes_as_golden_at_once_and_streamed) {
  for (const auto& c : cases_) {
    const auto ids = c["ids"].get<Ids>();
    EXPECT_EQ(tokenizer_.decode(ids, true), c["decoded"].get<std::string>());
    StreamDecoder stream(tokenizer_);
    std::string streamed;
    for (const int32_t id : ids)
      streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.flush(), c["decoded"].get<std::string>());
  }
}

TEST_P(MadeTokenizer, gives_spans_inside_the_text_that_cover_its_ends) {
  for (const auto& c : cases_) {
    const auto text = c["text"].get<std::string>();
    size_t begin = text.size();
    size_t end = 0;
    for (const TokenSpan& span : tokenizer_.encode_spans(text)) {
      EXPECT_LE(span.begin, span.end);
      EXPECT_LE(span.end, text.size());
      begin = std::min(begin, span.begin);
      end = std::max(end, span.end);
    }
    if (text.empty()) continue;
    EXPECT_EQ(begin, 0u) << text;
    EXPECT_EQ(end, text.size()) << text;
  }
}

TEST_P(MadeTokenizer, parses_no_control_token_in_marked_text) {
  for (const std::string text : {"a<s>b</s><|eot|>", "<s><s>"}) {
    const TextRange all{0, text.size()};
    for (const int32_t id : tokenizer_.encode(text))
      EXPECT_FALSE(tokenizer_.is_special(id)) << text;
    for (const TokenSpan& span : tokenizer_.encode_marked(text, {&all, 1}))
      EXPECT_FALSE(tokenizer_.is_special(span.id)) << text;
    Ids outside;
    const TextRange second{4, text.size()};
    for (const TokenSpan& span : tokenizer_.encode_marked(text, {&second, 1}))
      outside.push_back(span.id);
    EXPECT_EQ(std::count_if(outside.begin(), outside.end(), [this](int32_t id) { return tokenizer_.is_special(id); }),
              1)
        << text;
  }
}

TEST_P(MadeTokenizer, encodes_a_megabyte_of_one_letter_in_under_a_second) {
  for (const std::string letter : {"a", " ", "0", "~", "é"}) {
    std::string text;
    while (text.size() < (1 << 20))
      text += letter;
    const std::clock_t start = std::clock();
    tokenizer_.encode(text);
    EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 1.0) << letter;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, MadeTokenizer, testing::Values("byte_level", "byte_fallback"),
                         [](const auto& info) { return std::string(info.param); });

class PublicVocabulary : public testing::TestWithParam<const char*> {};

TEST_P(PublicVocabulary, gives_hugging_faces_ids_and_decodes_them) {
  const Json golden = parse_json(read_file(golden_path(std::string("text/ids_") + GetParam() + ".json")), "ids");
  const auto models = std::filesystem::path(AFINA_SOURCE_DIR) / ".deps" / "llama.cpp" / "models";
  const Tokenizer tokenizer =
      load_gguf_tokenizer(formats::GgufFile(models / (std::string("ggml-vocab-") + GetParam() + ".gguf")));
  ASSERT_EQ(golden["cases"].size(), 129u);
  for (const auto& c : golden["cases"]) {
    const auto text = c["text"].get<std::string>();
    EXPECT_EQ(tokenizer.encode(text), c["ids"].get<Ids>()) << text;
    EXPECT_EQ(tokenizer.decode(c["ids"].get<Ids>()), c.value("decoded", text));
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, PublicVocabulary, testing::Values("gpt-2", "llama-bpe", "qwen2"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace afina::text
