// SPDX-License-Identifier: Apache-2.0
// tokenizer.json and its neighbours: what is read, and that everything unknown is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/support/temp_folder.h"
#include "tests/text/toy_vocabulary.h"
#include "text/text_stack.h"

namespace afina::text {
namespace {

using testing::HasSubstr;
using Ids = std::vector<int32_t>;

Json toy_json() {
  const Tokenizer::Vocabulary toy = toy_vocabulary();
  Json json = Json::parse(R"({"version": "1.0", "truncation": null, "normalizer": null, "post_processor": null,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
    "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "dropout": null, "unk_token": null,
      "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false}})");
  json["added_tokens"] = Json::array();
  for (size_t id = 0; id < toy.tokens.size(); ++id) {
    if (toy.kinds[id] == TokenKind::normal) {
      json["model"]["vocab"][toy.tokens[id]] = id;
    } else {
      json["added_tokens"].push_back({{"id", id},
                                      {"content", toy.tokens[id]},
                                      {"single_word", false},
                                      {"lstrip", false},
                                      {"rstrip", false},
                                      {"normalized", false},
                                      {"special", toy.kinds[id] == TokenKind::control}});
    }
  }
  json["model"]["merges"] = toy.merges;
  return json;
}

class HfFolder : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) { write_file_atomic(folder_.path() / name, text); }
  TextStack load() { return load_text_stack(folder_.path()); }
  std::string error() {
    try {
      load();
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  TempFolder folder_;
};

TEST_F(HfFolder, gives_the_ids_of_the_vocabulary_it_was_written_from) {
  write("tokenizer.json", toy_json().dump());
  const TextStack stack = load();
  const auto toy = toy_tokenizer();
  for (const std::string text : {"lol aaaa 12 <think> <|im_end|>", "", "ñandú 🦙"}) {
    for (const bool parse : {false, true}) {
      const EncodeOptions options{.parse_special = parse};
      EXPECT_EQ(stack.tokenizer->decode(stack.tokenizer->encode(text, options)), text);
      EXPECT_EQ(stack.tokenizer->is_special(kToyEnd), toy->is_special(kToyEnd));
    }
  }
  EXPECT_EQ(stack.tokenizer->encode("lol1aaaa<|im_end|>", {.parse_special = true}), (Ids{263, '1', 261, kToyEnd}));
  EXPECT_EQ(stack.chat_template, nullptr);
  EXPECT_THROW(stack.encoder(), ModelError);
}

TEST_F(HfFolder, reads_merges_as_pairs_too) {
  Json json = toy_json();
  Json pairs = Json::array();
  for (const auto& merge : json["model"]["merges"]) {
    const auto text = merge.get<std::string>();
    const size_t space = text.find(' ');
    pairs.push_back({text.substr(0, space), text.substr(space + 1)});
  }
  json["model"]["merges"] = pairs;
  write("tokenizer.json", json.dump());
  EXPECT_EQ(load().tokenizer->encode("aaaa"), (Ids{261}));
}

TEST_F(HfFolder, takes_special_tokens_templates_and_every_eos_from_the_files_beside_it) {
  Json json = toy_json();
  json["post_processor"] = Json::parse(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"},
    {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}},
      {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}}]})");
  write("tokenizer.json", json.dump());
  write("tokenizer_config.json", R"({"bos_token": {"content": "<|im_start|>"}, "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>", "chat_template": [{"name": "tool_use", "template": "t"},
      {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"}]})");
  write("generation_config.json", R"({"eos_token_id": [256, 259]})");
  TextStack stack = load();
  EXPECT_EQ(stack.tokenizer->bos_id(), kToyStart);
  EXPECT_EQ(stack.tokenizer->eos_id(), kToyEnd);
  EXPECT_EQ(stack.tokenizer->pad_id(), kToyText);
  EXPECT_EQ(stack.tokenizer->end_ids(), (Ids{kToyEnd, kToyText, kToyThink}));
  EXPECT_EQ(stack.tokenizer->encode("a", {.add_special = true}), (Ids{kToyStart, 'a'}));
  EXPECT_EQ(stack.encoder().encode(std::vector<Message>{{"user", "hola"}}).text, "<|im_start|>hola<|im_end|>");
  write("chat_template.jinja", "otra");
  EXPECT_EQ(load().chat_template->source(), "otra");
}

TEST_F(HfFolder, refuses_every_component_that_would_change_ids_and_names_it) {
  const auto split = [](Json& j, const char* pattern) {
    j["pre_tokenizer"]["pretokenizers"][0] = {
        {"type", "Split"}, {"behavior", "Isolated"}, {"invert", false}, {"pattern", {{"Regex", pattern}}}};
  };
  const std::pair<const char*, std::function<void(Json&)>> cases[] = {
      {"model must be BPE, but is Unigram", [](Json& j) { j["model"]["type"] = "Unigram"; }},
      {"model must be BPE, but is WordPiece", [](Json& j) { j["model"]["type"] = "WordPiece"; }},
      {"model.vocab", [](Json& j) { j["model"]["vocab"] = Json::array(); }},
      {"model.vocab['Ñ']", [](Json& j) { j["model"]["vocab"]["Ñ"] = "x"; }},
      {"a token id", [](Json& j) { j["model"]["vocab"]["Ñ"] = 1 << 20; }},
      {"a token id", [](Json& j) { j["model"]["vocab"]["Ñ"] = -1; }},
      {"must name one token", [](Json& j) { j["model"]["vocab"]["Ñ"] = 65; }},
      {"model.merges", [](Json& j) { j["model"].erase("merges"); }},
      {"a merge", [](Json& j) { j["model"]["merges"].push_back(7); }},
      {"a merge", [](Json& j) { j["model"]["merges"].push_back("a b c"); }},
      {"merge 4 must join tokens", [](Json& j) { j["model"]["merges"].push_back("q q"); }},
      {"model.byte_fallback", [](Json& j) { j["model"]["byte_fallback"] = "yes"; }},
      {"model.dropout", [](Json& j) { j["model"]["dropout"] = 0.1; }},
      {"normalizer must be",
       [](Json& j) {
         j["normalizer"] = {{"type", "Precompiled"}};
       }},
      {"normalizer must be",
       [](Json& j) {
         j["normalizer"] = {{"type", "BertNormalizer"}};
       }},
      {"normalizer.normalizers must be a list",
       [](Json& j) {
         j["normalizer"] = {{"type", "Sequence"}};
       }},
      {"normalizer.prepend must be text",
       [](Json& j) {
         j["normalizer"] = {{"type", "Prepend"}, {"prepend", 7}};
       }},
      {"normalizer.pattern must be",
       [](Json& j) {
         j["normalizer"] = {{"type", "Replace"}, {"pattern", "x"}, {"content", "y"}};
       }},
      {"pre_tokenizer must be",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
       }},
      {"pre_tokenizer.replacement must be one character",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "ab"}};
       }},
      {"pre_tokenizer.prepend_scheme must be",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "x"}};
       }},
      {"behavior must be",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Split"}, {"behavior", "isolated"}, {"pattern", {{"String", "x"}}}};
       }},
      {"must be a regular expression", [&](Json& j) { split(j, "(a"); }},
      {"(?~", [&](Json& j) { split(j, "(?~ab)"); }},
      {"\\p{Klingon}", [&](Json& j) { split(j, "\\p{Klingon}"); }},
      {"\\g<x>", [&](Json& j) { split(j, "(?<x>a)\\g<x>"); }},
      {"runs backwards", [&](Json& j) { split(j, "[z-a]"); }},
      {"decoder must be",
       [](Json& j) {
         j["decoder"] = {{"type", "WordPiece"}};
       }},
      {"post_processor must be",
       [](Json& j) {
         j["post_processor"] = {{"type", "Other"}};
       }},
      {"post_processor.cls must be",
       [](Json& j) {
         j["post_processor"] = {{"type", "BertProcessing"}};
       }},
      {"post_processor.sep[1] must be a token id",
       [](Json& j) {
         j["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"a", 65}}, {"sep", {"b", 99999}}};
       }},
      {"an added token", [](Json& j) { j["added_tokens"].push_back("x"); }},
      {"lstrip must be true or false", [](Json& j) { j["added_tokens"][0]["lstrip"] = 1; }},
  };
  for (const auto& [expected, change] : cases) {
    Json json = toy_json();
    change(json);
    write("tokenizer.json", json.dump());
    EXPECT_THAT(error(), HasSubstr(expected));
  }
}

TEST_F(HfFolder, recognises_the_patterns_of_llama_3_qwen2_and_gpt2) {
  for (const auto pattern : {kLlama3Pattern, kQwen2Pattern, kGpt2Pattern}) {
    Json json = toy_json();
    json["pre_tokenizer"]["pretokenizers"][0] = {
        {"type", "Split"}, {"behavior", "Isolated"}, {"invert", false}, {"pattern", {{"Regex", std::string(pattern)}}}};
    json["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = false;
    write("tokenizer.json", json.dump());
    EXPECT_EQ(error(), "") << pattern;
  }
}

TEST_F(HfFolder, refuses_files_that_are_missing_cut_or_of_the_wrong_kind) {
  EXPECT_THROW(load(), NotFound);
  EXPECT_THROW(load_text_stack(folder_.path() / "no.gguf"), NotFound);
  write("model.gguf", "GGUF\x03");
  EXPECT_THROW(load_text_stack(folder_.path() / "model.gguf"), ModelError);
  const std::string whole = toy_json().dump();
  write("tokenizer.json", whole.substr(0, whole.size() / 2));
  EXPECT_THROW(load(), DataError);
  for (const char* text : {"", "[]", "7", "{}", R"({"model": null})", R"({"model": {"type": "BPE", "vocab": {}}})"}) {
    write("tokenizer.json", text);
    EXPECT_NE(error(), "") << text;
  }
  write("tokenizer.json", whole);
  for (const char* text :
       {"[", "[]", R"({"chat_template": 7})", R"({"chat_template": [{"name": "x", "template": "y"}]})"}) {
    write("tokenizer_config.json", text);
    EXPECT_THROW(load(), DataError) << text;
  }
  write("tokenizer_config.json", "{}");
  for (const char* text : {R"({"eos_token_id": "x"})", R"({"eos_token_id": [1, -1]})", R"({"eos_token_id": 1e3})"}) {
    write("generation_config.json", text);
    EXPECT_THROW(load(), DataError) << text;
  }
  write("generation_config.json", R"({"eos_token_id": 99999})");
  EXPECT_THROW(load(), ModelError);
  write("generation_config.json", "{}");
  write("chat_template.jinja", "{% if %}");
  EXPECT_THROW(load(), ModelError);
}

}  // namespace
}  // namespace afina::text
