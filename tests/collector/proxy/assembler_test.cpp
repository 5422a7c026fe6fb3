// SPDX-License-Identifier: Apache-2.0
// Chunks put together, good and hostile ones.
#include "collector/proxy/assembler.h"

#include <gtest/gtest.h>

#include "collector/proxy/chunks.h"
#include "http/client.h"

namespace afina::collector {
namespace {

Json delta(const Json& said, int index = 0, const Json& finish = nullptr) {
  return {{"choices", {{{"index", index}, {"delta", said}, {"finish_reason", finish}}}}};
}

TEST(Assembler, PutsWordsCallsAndLogprobsTogether) {
  Assembler all;
  all.take(delta({{"role", "assistant"}, {"content", "Ho"}}));
  all.take(delta({{"content", "la"}}, 0));
  all.take(delta({{"content", "otra"}}, 1, "length"));
  Json with_logprobs = delta({{"content", "!"}}, 0, "stop");
  with_logprobs["choices"][0]["logprobs"] = {{"content", {{{"token", "!"}}}}};
  all.take(with_logprobs);
  all.take({{"choices", nullptr}, {"usage", {{"prompt_tokens", 3}, {"completion_tokens", -1}}}});
  const Json choices = all.choices();
  EXPECT_EQ(choices[0]["message"]["content"], "Hola!");
  EXPECT_EQ(choices[0]["logprobs"]["content"].size(), 1U);
  EXPECT_EQ(choices[1]["message"]["content"], "otra");
  EXPECT_EQ(choices[1]["finish_reason"], "length");
  EXPECT_EQ(all.tokens("prompt_tokens"), 3);
  EXPECT_FALSE(all.tokens("completion_tokens")) << "a count below zero is none";
}

TEST(Assembler, PutsACallTogetherFromItsPieces) {
  Assembler all;
  all.take(delta({{"tool_calls", {{{"index", 0}, {"id", "c1"}, {"function", {{"name", "clima"}}}}}}}));
  all.take(delta({{"tool_calls", {{{"index", 0}, {"function", {{"arguments", "{\"a\":"}}}}}}}));
  all.take(delta({{"tool_calls", {{{"index", 0}, {"function", {{"arguments", "1}"}}}}}}}, 0, "tool_calls"));
  const Json call = all.choices()[0]["message"]["tool_calls"][0];
  EXPECT_EQ(call["id"], "c1");
  EXPECT_EQ(call["function"]["arguments"], "{\"a\":1}");
  EXPECT_NE(all.text(0).find("clima"), std::string::npos);
}

TEST(Assembler, RefusesWhatIsNoChunk) {
  for (const Json& bad : {Json(3), Json{{"choices", 3}}, Json{{"choices", {3}}}, delta({{"content", 3}}),
                          delta({{"content", "x"}}, 99), delta({{"content", "x"}}, -1),
                          delta({{"tool_calls", {{{"index", 1000}}}}}), Json{{"error", {{"message", "no"}}}}}) {
    Assembler all;
    EXPECT_THROW(all.take(bad), http::UpstreamError) << bad.dump();
  }
  Assembler endless;
  const Json much = delta({{"content", std::string(100'000, 'x')}});
  EXPECT_THROW(
      {
        for (int i = 0; i < 20; ++i)
          endless.take(much);
      },
      http::UpstreamError);
}

TEST(Chunks, OfABlindComparisonTellNothingOfTheModel) {
  const CompletionHead blind{"chatcmpl-1", "arena", "c", 5, true};
  Json chunk = delta({{"content", "Hola"}, {"reasoning_content", "I am GPT"}});
  chunk.update({{"id", "x"}, {"model", "secret"}, {"system_fingerprint", "fp"}, {"afina", {{"adapter_id", "y"}}}});
  const std::string first = client_chunk(blind, chunk, true, false).dump();
  for (const char* word : {"secret", "fp", "adapter_id", "GPT"})
    EXPECT_EQ(first.find(word), std::string::npos) << word;
  EXPECT_NE(first.find("Hola"), std::string::npos);
  const CompletionHead named{"chatcmpl-1", "m", "c", 5, false};
  EXPECT_EQ(client_chunk(named, chunk, false, false)["system_fingerprint"], "fp");
  EXPECT_TRUE(client_chunk(named, {{"choices", Json::array()}, {"usage", {}}}, false, true).is_null());
}

}  // namespace
}  // namespace afina::collector
