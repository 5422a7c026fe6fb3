// SPDX-License-Identifier: Apache-2.0
// /v1/completions: raw prompts, echo, and log-probabilities in the legacy layout.
#include <gtest/gtest.h>

#include "tests/serve/service_fixture.h"

namespace afina::serve {
namespace {

class Completions : public ServiceTest {
 protected:
  static Json raw(const Json& prompt, const Json& more = Json::object()) {
    Json body{{"model", "base"}, {"prompt", prompt}};
    body.update(more);
    return body;
  }
  Json complete(const Json& prompt, const Json& more = Json::object()) {
    return client().post_json("/v1/completions", raw(prompt, more));
  }
};

TEST_F(Completions, ATextIsContinuedWithoutATemplate) {
  recital_->text = " mundo";
  const Json body = complete("hola", {{"seed", 3}});
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("cmpl-"));
  EXPECT_EQ(body["choices"][0],
            (Json{{"text", " mundo"}, {"index", 0}, {"logprobs", nullptr}, {"finish_reason", "stop"}}));
  EXPECT_EQ(words_of(body["afina"]["prompt_ids"]), "<hola");
  EXPECT_EQ(body["usage"], (Json{{"prompt_tokens", 5}, {"completion_tokens", 7}, {"total_tokens", 12}}));
  EXPECT_TRUE(body["afina"]["template_sha256"].is_null());
  EXPECT_EQ(recital_->params.at(0).max_new_tokens, 16);
  EXPECT_EQ(complete("hola", {{"max_tokens", 3}})["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(complete("hola", {{"stop", {"nd"}}})["choices"][0]["text"], " mu");
}

TEST_F(Completions, ControlTokensAreParsedAndBosIsLeftOutOnlyWhereAsked) {
  const std::string words = "a<|im_end|>b";
  EXPECT_EQ(words_of(complete(words)["afina"]["prompt_ids"]), "<" + words);
  EXPECT_EQ(words_of(complete(words, {{"afina", {{"parse_special", true}}}})["afina"]["prompt_ids"]), "<a>b");
  EXPECT_EQ(words_of(complete(words, {{"afina", {{"add_special", false}}}})["afina"]["prompt_ids"]), words);
}

TEST_F(Completions, ManyPromptsAsTextsOrIdsHaveTheirChoicesInOrder) {
  recital_->text = "x";
  const Json texts = complete({"uno", "dos"}, {{"n", 2}, {"seed", 40}, {"echo", true}, {"best_of", 2}});
  ASSERT_EQ(texts["choices"].size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(texts["choices"][i]["index"], i);
    EXPECT_EQ(texts["choices"][i]["text"], i < 2 ? "unox" : "dosx");
    EXPECT_EQ(texts["afina"]["choices"][i]["seed"], 40 + i);
    EXPECT_EQ(words_of(texts["afina"]["choices"][i]["prompt_ids"]), i < 2 ? "<uno" : "<dos");
  }
  EXPECT_EQ(texts["usage"]["prompt_tokens"], 8);
  EXPECT_EQ(texts["usage"]["completion_tokens"], 8);
  const Json ids = complete({'h', 'i'});
  EXPECT_EQ(ids["afina"]["prompt_ids"], Json({'h', 'i'}));
  const Json lists = complete({{'h', 'i'}, {kStartId, 'y'}}, {{"echo", true}});
  EXPECT_EQ(lists["choices"][0]["text"], "hix");
  EXPECT_EQ(lists["choices"][1]["text"], "<|im_start|>yx");
}

TEST_F(Completions, LogprobsHaveTheLegacyLayout) {
  recital_->text = "ñ!";
  const Json logprobs = complete("a", {{"logprobs", 2}})["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], Json({"bytes:\\xc3", "bytes:\\xb1", "!", "<|im_end|>"}));
  EXPECT_EQ(logprobs["token_logprobs"], Json({-0.5, -0.5, -0.5, -0.5}));
  EXPECT_EQ(logprobs["top_logprobs"][2], (Json{{"!", -0.5}, {"0", -1.0}}));
  EXPECT_EQ(logprobs["text_offset"], Json({0, 0, 1, 2}));
  const Json zero = complete("a", {{"logprobs", 0}})["choices"][0]["logprobs"];
  EXPECT_EQ(zero["top_logprobs"][2], (Json{{"!", -0.5}}));
}

TEST_F(Completions, AnEchoHasThePromptsOwnLogprobs) {
  recital_->text = "z";
  const Json body = complete("añb", {{"echo", true}, {"logprobs", 1}});
  EXPECT_EQ(body["choices"][0]["text"], "añbz");
  const Json& l = body["choices"][0]["logprobs"];
  EXPECT_EQ(l["tokens"], Json({"<|im_start|>", "a", "bytes:\\xc3", "bytes:\\xb1", "b", "z", "<|im_end|>"}));
  EXPECT_EQ(l["token_logprobs"], Json({nullptr, -1.0, -2.0, -3.0, -4.0, -0.5, -0.5}));
  EXPECT_EQ(l["text_offset"], Json({0, 0, 1, 1, 2, 3, 4}));
  EXPECT_TRUE(l["top_logprobs"][0].is_null());
  EXPECT_EQ(l["top_logprobs"][1], (Json{{"x", -0.5}, {"a", -1.0}})) << "the token itself is always told";
  EXPECT_TRUE(recital_->params.back().prompt_logprobs);

  const Json score = complete({'a', 'b'}, {{"echo", true}, {"logprobs", 0}, {"max_tokens", 0}});
  EXPECT_EQ(score["choices"][0]["text"], "ab");
  EXPECT_EQ(score["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(score["choices"][0]["logprobs"]["token_logprobs"], Json({nullptr, -1.0}));
  EXPECT_EQ(score["usage"]["completion_tokens"], 0);
}

TEST_F(Completions, AStreamAddsUpToTheWholeAnswer) {
  recital_->text = "año";
  const Json more{{"echo", true}, {"logprobs", 1}, {"n", 2}};
  const Json whole = complete("hé", more);
  Json body = raw("hé", more);
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  std::string text[2];
  Json tokens[2] = {Json::array(), Json::array()}, finish[2];
  const auto chunks = stream(body, "/v1/completions");
  for (const Json& chunk : chunks) {
    EXPECT_EQ(chunk["object"], "text_completion");
    for (const Json& choice : chunk["choices"]) {
      const int i = choice["index"];
      text[i] += choice["text"];
      if (!choice["logprobs"].is_null())
        for (const Json& token : choice["logprobs"]["tokens"])
          tokens[i].push_back(token);
      if (!choice["finish_reason"].is_null()) finish[i] = choice["finish_reason"];
    }
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(text[i], whole["choices"][i]["text"]);
    EXPECT_EQ(tokens[i], whole["choices"][i]["logprobs"]["tokens"]);
    EXPECT_EQ(finish[i], "stop");
  }
  EXPECT_TRUE(chunks.back()["choices"].empty());
  EXPECT_EQ(chunks.back()["usage"], whole["usage"]);
}

}  // namespace
}  // namespace afina::serve
