// SPDX-License-Identifier: Apache-2.0
// Errors in OpenAI's form: the same for a stream that has not begun as for the whole, with what a program may act on
// and nothing that people wrote; and those that no handler makes.
#include <gtest/gtest.h>

#include "tests/collector/proxy/token_client.h"
#include "tests/http/scripted_server.h"

namespace afina::collector {
namespace {

using namespace std::chrono_literals;
using http::ScriptedServer;
constexpr const char* kChat = "/v1/chat/completions";

Json ask(const std::string& model, bool stream) {
  return {{"model", model}, {"stream", stream}, {"messages", {{{"role", "user"}, {"content", "¿Pan?"}}}}};
}

struct ProxyRefusals : TokenWorld {
  CollectorConfig over(const std::string& name, const std::string& base_url, int read_seconds = 1) {
    CollectorConfig config;
    UpstreamConfig upstream;
    upstream.name = name;
    upstream.model = name;
    upstream.base_url = base_url;
    upstream.read_seconds = read_seconds;
    upstream.retries = 0;
    config.upstreams.push_back(upstream);
    return config;
  }
};

TEST_F(ProxyRefusals, OfAStreamThatHasNotBegunAreThoseOfTheWhole) {
  const auto error = [](const std::string& code, const std::string& param) {
    return Json{{"error", {{"message", "Ana, RUT 12.345.678-5"}, {"code", code}, {"param", param}}}}.dump();
  };
  const struct {
    const char* what;
    std::string says;
    int status;
    Json code, param;
    std::string retry_after;
  } cases[] = {
      {"too long", http::answer(400, error("context_length_exceeded", "messages")), 400, "context_length_exceeded",
       "messages", ""},
      {"bad picture", http::answer(400, error("invalid_image_url", "messages[0].content[1].image_url")), 400,
       "invalid_image_url", "messages[0].content[1].image_url", ""},
      {"a name as code", http::answer(422, error("ana_perez", "ana.perez")), 400, "upstream_refused", nullptr, ""},
      {"text as code", http::answer(400, error("Ana Perez", "¿Pan?")), 400, "upstream_refused", nullptr, ""},
      {"told in its stream", http::events(cat("data: ", error("context_length_exceeded", "messages"), "\n\n")), 400,
       "context_length_exceeded", "messages", ""},
      {"busy", http::answer(429, "{}", "retry-after: 17\r\n"), 429, "upstream_busy", nullptr, "17"},
      {"full", http::answer(503, "{}"), 503, "upstream_busy", nullptr, "2"},
      {"broken", http::answer(500, error("context_length_exceeded", "messages")), 502, "upstream_down", nullptr, ""},
      {"other key", http::answer(401, "{}"), 502, "upstream_refused", nullptr, ""},
  };
  for (const auto& c : cases) {
    ScriptedServer model({http::says(c.says)});
    start({}, over("modelo", model.options().base_url));
    const Program program = proxy_program();
    const Reply whole = program.post(kChat, ask("modelo", false)), stream = program.post(kChat, ask("modelo", true));
    EXPECT_EQ(whole.status, c.status) << c.what;
    EXPECT_EQ(whole.json["error"]["code"], c.code) << c.what;
    EXPECT_EQ(whole.json["error"]["param"], c.param) << c.what;
    EXPECT_EQ(whole.headers.get("Retry-After"), c.retry_after) << c.what;
    EXPECT_EQ(whole.json.dump().find("Ana"), std::string::npos) << c.what;
    EXPECT_EQ(stream.status, whole.status) << c.what;
    EXPECT_EQ(stream.json, whole.json) << c.what;
    EXPECT_EQ(stream.headers.get("Retry-After"), c.retry_after) << c.what;
    EXPECT_EQ(stream.headers.get("Content-Type"), "application/json") << c.what;
  }
}

TEST_F(ProxyRefusals, OfAStreamWhoseHeadHadToGoOutComeWithinIt) {
  // The model says nothing: the head goes out after the time set, and what comes of it stands in the stream.
  CollectorConfig config = over("mute", fake_.url(), 30);
  config.stream_head_seconds = 1;
  start({}, config);
  const Program program = proxy_program();
  const std::string body = ask("mute", true).dump();
  test::RawSocket line(collector_->port());
  line.say(cat("POST ", kChat, " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ", program.token(),
               "\r\nContent-Type: application/json\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
  EXPECT_EQ(line.hear("\r\n", 200ms), "") << "not at once";
  const std::string head = line.hear("\r\n\r\n", 10s);
  EXPECT_EQ(test::status_of(head), 200) << head;
  EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos);
  EXPECT_NE(head.find("X-Content-Type-Options: nosniff\r\n"), std::string::npos) << "as every answer";
  fake_.open();
  EXPECT_NE(line.hear("upstream_down").find("\"code\":\"upstream_down\""), std::string::npos);
}

TEST_F(ProxyRefusals, OfKeysPathsMethodsAndLongBodiesAreInOpenAisForm) {
  start({"good"});
  const Program program = proxy_program();
  for (const char* key : {"afina_x_y", "sk-something", "x"}) {
    const Reply reply = Program(collector_->address(), key).post(kChat, ask("modelo-good", true));
    EXPECT_EQ(reply.status, 401) << key;
    EXPECT_EQ(reply.json["error"]["code"], "invalid_api_key") << key;
    EXPECT_EQ(reply.json["error"]["type"], "invalid_request_error") << key;
    EXPECT_EQ(reply.headers.get("WWW-Authenticate"), "Bearer") << key;
  }
  const auto in_form = [](const Reply& reply) {
    const Json error = reply.json.value("error", Json::object());
    return error.value("type", "") == "invalid_request_error" && error.contains("param") && !error.contains("kind");
  };
  const Reply nowhere = program.post("/v1/responses", {{"model", "modelo-good"}});
  EXPECT_EQ(nowhere.status, 404);
  EXPECT_TRUE(in_form(nowhere)) << nowhere.json.dump();
  const Reply method = program.get("/v1/feedback");
  EXPECT_EQ(method.status, 405);
  EXPECT_TRUE(in_form(method)) << method.json.dump();
  EXPECT_EQ(method.headers.get("Allow"), "POST");
  const Reply large = program.post("/v1/feedback", {{"reason", std::string(70'000, 'x')}});
  EXPECT_EQ(large.status, 413);
  EXPECT_TRUE(in_form(large)) << large.json.dump();
  const Reply page = program.get("/api/nothing");
  EXPECT_EQ(page.status, 404);
  EXPECT_EQ(page.json["error"]["code"], "not_found") << "control: the page's form elsewhere";
}

}  // namespace
}  // namespace afina::collector
