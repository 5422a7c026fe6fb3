// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "collector/generations.h"
#include "collector/upstream.h"

namespace afina::collector {
namespace {

std::string delta(const std::string& content) {
  return Json{{"choices", {{{"index", 0}, {"delta", {{"content", content}}}}}}}.dump();
}

TEST(ChunkReader, JoinsPiecesAndReadsUsageAndTheReason) {
  std::string seen;
  ChunkReader reader([&](std::string_view piece) { seen += piece; });
  EXPECT_TRUE(reader.take(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})"));
  EXPECT_TRUE(reader.take(delta("Bue")));
  EXPECT_TRUE(reader.take(delta("nos días ñ")));
  EXPECT_TRUE(reader.take(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"));
  EXPECT_TRUE(reader.take(R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}})"));
  EXPECT_FALSE(reader.take("[DONE]"));
  EXPECT_EQ(seen, "Buenos días ñ");
  EXPECT_EQ(reader.result.text, seen);
  EXPECT_EQ(reader.result.finish_reason, "stop");
  EXPECT_EQ(reader.result.prompt_tokens, 7);
  EXPECT_EQ(reader.result.completion_tokens, 3);
}

TEST(ChunkReader, ToleratesWhatRealServersSend) {
  ChunkReader reader([](std::string_view) {});
  for (const char* data :
       {R"({"choices":null,"usage":null})", R"({"obfuscation":"x"})",
        R"({"choices":[{"index":1,"delta":{"content":"other"}}]})",
        R"({"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]})", R"({"error":null,"choices":[]})"}) {
    EXPECT_TRUE(reader.take(data)) << data;
  }
  EXPECT_EQ(reader.result.text, "");
}

TEST(ChunkReader, RefusesNonsense) {
  for (const char* data : {"", "hola", "[]", "{\"choices\":{}}", "{\"choices\":[3]}",
                           R"({"choices":[{"delta":{"content":[1]}}]})", "{\"choices\":[", "{\"a\":\"\xff\"}"}) {
    ChunkReader reader([](std::string_view) {});
    try {
      reader.take(data);
      FAIL() << data;
    } catch (const http::UpstreamError& error) {
      EXPECT_EQ(error.fault(), http::UpstreamFault::nonsense) << data;
    }
  }
}

TEST(ChunkReader, TakesAnErrorObjectAsRefusal) {
  ChunkReader reader([](std::string_view) {});
  try {
    reader.take(R"({"error":{"message":"no credit"}})");
    FAIL();
  } catch (const http::UpstreamError& error) {
    EXPECT_EQ(error.fault(), http::UpstreamFault::refused);
  }
}

TEST(ChunkReader, StopsAnAnswerWithoutEnd) {
  ChunkReader reader([](std::string_view) {});
  const std::string piece = delta(std::string(64 * 1024, 'a'));
  EXPECT_THROW(
      {
        for (int i = 0; i < 10; ++i)
          reader.take(piece);
      },
      http::UpstreamError);
  EXPECT_LE(reader.result.text.size(), kMaxAnswerBytes);
}

TEST(ChunkReader, ReplacesTheOneCharacterPostgresCannotHold) {
  ChunkReader reader([](std::string_view) {});
  reader.take(delta(std::string("a\0b", 3)));
  EXPECT_EQ(reader.result.text, "a\uFFFDb");
}

TEST(Generation, KeepsTheIdentityAfinaServeTells) {
  UpstreamConfig config;
  config.name = "base";
  config.base_url = "http://127.0.0.1:1";
  const Upstream upstream(config);
  Completion said;
  said.text = "hola";
  said.finish_reason = "stop";
  const std::string hash(64, 'a'), adapter = new_uuid();
  said.afina = {{"prompt_ids", {1, 2, 3}},
                {"completion_ids", {4}},
                {"template_sha256", hash},
                {"base_sha256", hash},
                {"adapter_id", adapter}};
  const auto row = to_generation(said, upstream, 7);
  EXPECT_EQ(row.prompt_ids, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(row.completion_ids, std::vector<int>{4});
  EXPECT_EQ(row.template_sha256, hash);
  EXPECT_EQ(row.base_sha256, hash);
  EXPECT_EQ(row.adapter_id, adapter);
  EXPECT_EQ(row.seed, 7);
  EXPECT_EQ(row.model, "base");
}

TEST(Generation, DropsIdentityThatCannotBeTrue) {
  UpstreamConfig config;
  config.name = "m";
  config.base_url = "http://127.0.0.1:1";
  const Upstream upstream(config);
  Completion said;
  said.finish_reason = "tool_calls";
  said.error = "upstream_slow";
  said.afina = {
      {"prompt_ids", {1, -2}}, {"completion_ids", "x"}, {"template_sha256", "ABC"}, {"adapter_id", "'; drop"}};
  const auto row = to_generation(said, upstream, 1);
  EXPECT_FALSE(row.prompt_ids);
  EXPECT_FALSE(row.completion_ids);
  EXPECT_EQ(row.template_sha256, "");
  EXPECT_EQ(row.adapter_id, "");
  EXPECT_EQ(row.finish_reason, "error");
  EXPECT_EQ(row.error, "upstream_slow");
}

}  // namespace
}  // namespace afina::collector
