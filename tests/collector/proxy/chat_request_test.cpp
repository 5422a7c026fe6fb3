// SPDX-License-Identifier: Apache-2.0
// Reading requests and making those of upstreams.
#include "collector/proxy/chat_request.h"

#include <gtest/gtest.h>

#include "http/message.h"

namespace afina::collector {
namespace {

std::string body(const std::string& more = "") {
  return R"({"model":"m","messages":[{"role":"user","content":"x"}])" + more + "}";
}

TEST(ChatRequest, KeepsTheBodyAndReadsWhatItNeeds) {
  const ChatRequest request =
      read_chat_request(body(R"(,"stream":true,"stream_options":{"include_usage":true},"n":2)"));
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.include_usage);
  EXPECT_EQ(request.choices, 2);
  EXPECT_EQ(request.body["n"], 2);
}

TEST(ChatRequest, TakesSamplingOfTheUpstreamOnlyWhereTheClientChoseNone) {
  UpstreamConfig upstream;
  upstream.name = "nombre";
  upstream.temperature = 0.25;
  upstream.max_tokens = 50;
  const Json plain = upstream_body(read_chat_request(body()), upstream, 7);
  EXPECT_EQ(plain["temperature"], 0.25);
  EXPECT_EQ(plain["model"], "nombre");
  EXPECT_EQ(plain["seed"], 7);
  EXPECT_EQ(plain["max_tokens"], 50);
  const Json chosen =
      upstream_body(read_chat_request(body(R"(,"top_p":0.5,"seed":3,"max_completion_tokens":20)")), upstream, 7);
  EXPECT_FALSE(chosen.contains("temperature"));
  EXPECT_EQ(chosen["seed"], 3);
  EXPECT_EQ(chosen["max_completion_tokens"], 20);
  EXPECT_FALSE(chosen.contains("max_tokens"));
}

TEST(ChatRequest, StoresParametersButNoTextsAndNoFlood) {
  const std::string stop(20'000, 's');
  const Json params =
      stored_params(Json{{"messages", "secret"}, {"temperature", 1}, {"stop", stop}, {"tools", {1, 2}}}, {});
  EXPECT_EQ(params.dump().find("secret"), std::string::npos);
  EXPECT_LT(params.dump().size(), 8000U);
  EXPECT_EQ(params["tools"], 2);
}

TEST(ChatRequest, RefusesBrokenAndBottomlessJson) {
  for (const std::string& bad : {std::string("{"), std::string(100'000, '['), std::string("{\"model\":\"\\ud800\"}"),
                                 std::string("null"), std::string()}) {
    EXPECT_THROW(read_chat_request(bad), http::HttpError) << bad.substr(0, 20);
  }
}

TEST(ChatRequest, ReplacesTheCharacterThatPostgresqlCannotHold) {
  const ChatRequest request = read_chat_request(R"({"model":"m","messages":[{"role":"user","content":"a\u0000b"}]})");
  EXPECT_EQ(request.messages[0].content, "a\uFFFDb");
}

}  // namespace
}  // namespace afina::collector
