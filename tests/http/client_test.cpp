// SPDX-License-Identifier: Apache-2.0
// The client against a good server of ours and against a scripted one that misbehaves.
#include "http/client.h"

#include <gtest/gtest.h>

#include <thread>

#include "http/server.h"
#include "tests/http/scripted_server.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;

template <typename Act>
UpstreamFault fault_of(Act act, int* status = nullptr) {
  try {
    act();
  } catch (const UpstreamError& error) {
    if (status != nullptr) *status = error.status();
    return error.fault();
  }
  ADD_FAILURE() << "no error";
  return UpstreamFault::down;
}

TEST(Client, AGoodServerIsAskedAndStreamed) {
  Server server;
  server.route("POST", "/v1/echo", [](const Request& q, Response& r) {
    r.set_json(Json{{"auth", q.headers.get("Authorization")}, {"body", q.json()}});
  });
  server.route("POST", "/v1/stream", [](const Request&, Response& r) {
    r.stream([](SseWriter& writer) {
      for (int i = 0; i < 3; ++i)
        writer.send(cat("{\"i\":", i, "}"));
      writer.send("[DONE]");
    });
  });
  server.start();
  const Client client({.base_url = server.address() + "/v1/", .bearer = "key"});
  EXPECT_EQ(client.post_json("/echo", Json{{"a", "ñ"}}), (Json{{"auth", "Bearer key"}, {"body", {{"a", "ñ"}}}}));
  std::vector<std::string> seen;
  client.post_stream("/stream", Json::object(), [&](const SseEvent& event) {
    seen.push_back(event.data);
    return true;
  });
  EXPECT_EQ(seen, (std::vector<std::string>{"{\"i\":0}", "{\"i\":1}", "{\"i\":2}", "[DONE]"}));
  EXPECT_EQ(client.get("/nothing").status, 404);
  EXPECT_EQ(fault_of([&] { client.get_json("/nothing"); }), UpstreamFault::refused);
}

TEST(Client, ARefusalIsNamedByItsTypeAndCodeAndNeverByItsMessage) {
  const struct {
    const char* error;
    const char* named;
  } cases[] = {
      {R"({"message":"RUT 12.345.678-5","type":"invalid_request_error","code":"context_length_exceeded"})",
       " (invalid_request_error, context_length_exceeded)"},
      {R"({"type":"RUT 12.345.678-5","code":"model_not_found"})", " (model_not_found)"},
      {R"({"type":"sk-123","code":"KEY"})", ""},
      {R"({"type":["x"],"code":7})", ""},
      {R"("words")", ""},
      {R"(null)", ""},
  };
  for (const auto& c : cases)
    EXPECT_EQ(named_error(Json::parse(c.error)), c.named) << c.error;
  EXPECT_EQ(named_error({{"type", std::string(41, 'x')}}), "");
  ScriptedServer server({says(answer(400, R"({"error":{"message":"RUT 12.345.678-5","code":"too_long"}})"))});
  try {
    Client(server.options()).get_json("/");
    FAIL();
  } catch (const UpstreamError& error) {
    EXPECT_NE(std::string(error.what()).find("answered 400 (too_long)"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("RUT"), std::string::npos) << error.what();
  }
}

TEST(Client, AServerThatIsDownSlowOrTalksNonsenseIsTypedSo) {
  ClientOptions nobody;
  {
    const Server server;  // never started: its port stays closed
    nobody.base_url = "http://127.0.0.1:9";
    nobody.first_backoff = 1ms;
  }
  int status = 0;
  EXPECT_EQ(fault_of([&] { Client(nobody).get_json("/"); }, &status), UpstreamFault::down);
  EXPECT_EQ(status, 502);
  const struct {
    const char* what;
    ScriptedServer::Script script;
    UpstreamFault fault;
  } cases[] = {
      {"closes at once", says(""), UpstreamFault::down},
      {"closes in the middle of the body", says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\""),
       UpstreamFault::down},
      {"half JSON", says(answer(200, "{\"a\":")), UpstreamFault::nonsense},
      {"not JSON", says(answer(200, "<html>")), UpstreamFault::nonsense},
      {"JSON that is too deep", says(answer(200, std::string(50'000, '['))), UpstreamFault::nonsense},
      {"too large", says(answer(200, std::string(200'000, ' '))), UpstreamFault::nonsense},
      {"endless",
       [](test::RawSocket& socket) {
         socket.say("HTTP/1.1 200 OK\r\n\r\n");
         while (socket.say(std::string(10'000, 'x'))) {
         }
       },
       UpstreamFault::nonsense},
      {"silent", [](test::RawSocket& socket) { socket.hear({}, 2'000ms); }, UpstreamFault::slow},
      {"refuses", says(answer(400, "{\"error\":{\"message\":\"no\"}}")), UpstreamFault::refused},
      {"redirects", says(answer(302, "", "Location: http://127.0.0.1:9/\r\n")), UpstreamFault::refused},
  };
  for (const auto& c : cases) {
    ScriptedServer server({c.script});
    EXPECT_EQ(fault_of([&] { Client(server.options()).get_json("/"); }, &status), c.fault) << c.what;
    EXPECT_EQ(status, c.fault == UpstreamFault::slow ? 504 : 502) << c.what;
  }
}

TEST(Client, ADrippingServerMeetsTheTotalDeadline) {
  ScriptedServer server({[](test::RawSocket& socket) {
    socket.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (socket.say("x") && socket.hear({}, 50ms).empty() && !socket.closed()) {
    }
  }});
  ClientOptions options = server.options();
  options.total_deadline = 400ms;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(fault_of([&] { Client(options).get_json("/"); }), UpstreamFault::slow);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1'500ms);
}

TEST(Client, RetriesFollowTheRulesAndNeverComeAfterTheFirstEvent) {
  ScriptedServer recovers(
      {says(answer(503, "{}", "retry-after-ms: 1\r\n")), says(""), says(answer(200, "{\"ok\":1}"))});
  EXPECT_EQ(Client(recovers.options()).post_json("/", Json::object()), (Json{{"ok", 1}}));
  EXPECT_EQ(recovers.calls(), 3);
  ScriptedServer busy({says(answer(429, "{}", "retry-after: 0\r\n"))});
  int status = 0;
  EXPECT_EQ(fault_of([&] { Client(busy.options()).get_json("/"); }, &status), UpstreamFault::refused);
  EXPECT_EQ(status, 429);
  EXPECT_EQ(busy.calls(), 3);
  ScriptedServer wrong({says(answer(400, "{}"))});
  fault_of([&] { Client(wrong.options()).get_json("/"); });
  EXPECT_EQ(wrong.calls(), 1);
  ScriptedServer breaks({says(answer(500, "{}")), says(events("data: 1\n\ndata: 2\n\ndata: 3"))});
  int seen = 0;
  EXPECT_EQ(fault_of([&] {
              Client(breaks.options()).post_stream("/", Json::object(), [&](const SseEvent&) { return ++seen > 0; });
            }),
            UpstreamFault::down);
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(breaks.calls(), 2);
}

TEST(Client, StreamsThatAreNotStreamsAreNonsense) {
  const auto ignore = [](const SseEvent&) { return true; };
  ScriptedServer json({says(answer(200, "{}", "Content-Type: application/json\r\n"))});
  EXPECT_EQ(fault_of([&] { Client(json.options()).post_stream("/", Json::object(), ignore); }),
            UpstreamFault::nonsense);
  ScriptedServer bytes({says(events("data: \xff\n\n"))});
  EXPECT_EQ(fault_of([&] { Client(bytes.options()).post_stream("/", Json::object(), ignore); }),
            UpstreamFault::nonsense);
  ScriptedServer refuses({says(answer(404, "{\"error\":{\"message\":\"unknown model\"}}"))});
  EXPECT_EQ(fault_of([&] { Client(refuses.options()).post_stream("/", Json::object(), ignore); }),
            UpstreamFault::refused);
}

TEST(Client, AStopTokenEndsTheWait) {
  ScriptedServer server({[](test::RawSocket& socket) { socket.hear({}, 5'000ms); }});
  ClientOptions options = server.options();
  options.read_deadline = 5'000ms;
  options.total_deadline = 5'000ms;
  std::stop_source stop;
  std::jthread stopper([&] {
    while (server.calls() == 0)
      std::this_thread::yield();
    stop.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(Client(options).get("/", stop.get_token()), Cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

TEST(Client, AddressesAreChecked) {
  for (const char* bad :
       {"", "localhost:80", "ftp://a", "http://", "http:///x", "http://user:pw@host", "http://a b", "http://a?x=1"}) {
    EXPECT_THROW(Client({.base_url = bad}), UsageError) << bad;
  }
}

}  // namespace
}  // namespace afina::http
