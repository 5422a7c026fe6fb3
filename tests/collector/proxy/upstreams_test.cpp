// SPDX-License-Identifier: Apache-2.0
// What stands behind the proxy when it fails, and clients that leave: nothing holds a thread, everything is logged.
#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>

#include "storage/preferences.h"
#include "tests/collector/proxy/token_client.h"
#include "tests/http/scripted_server.h"
#include "tests/storage/fixtures.h"

namespace afina::collector {
namespace {

using http::ScriptedServer;
constexpr const char* kChat = "/v1/chat/completions";

Json ask(const std::string& model, bool stream = false) {
  return {{"model", model}, {"stream", stream}, {"messages", {{{"role", "user"}, {"content", "¿Cómo hago pan?"}}}}};
}

UpstreamConfig upstream(const std::string& base_url, int retries = 0) {
  UpstreamConfig config;
  config.name = "modelo";
  config.base_url = base_url;
  config.read_seconds = 1;
  config.retries = retries;
  return config;
}

const std::string kWhole = R"(data: {"choices":[{"index":0,"delta":{"content":"Hola"},"finish_reason":"stop"}]})"
                           "\n\ndata: [DONE]\n\n";

struct ProxyUpstreams : TokenWorld {
  /// One model, "modelo", at that address.
  Program over(const std::string& base_url, int retries = 0) {
    CollectorConfig config;
    config.upstreams.push_back(upstream(base_url, retries));
    start({}, config);
    return proxy_program();
  }
  /// A request whose client may hang up.
  test::RawSocket line(const std::string& token, const Json& body) const {
    test::RawSocket socket(collector_->port());
    const std::string text = body.dump();
    socket.say(cat("POST ", kChat, " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ", token,
                   "\r\nContent-Type: application/json\r\nContent-Length: ", text.size(), "\r\n\r\n", text));
    return socket;
  }
};

int threads_now() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Threads:")) return std::stoi(line.substr(8));
  }
  return -1;
}

TEST_F(ProxyUpstreams, FailAFewTimesAndAreLeftAlone) {
  start({"cut", "good"});
  const Program program = proxy_program();
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(program.post(kChat, ask("modelo-cut")).status, 502);
  EXPECT_EQ(program.post(kChat, ask("modelo-cut")).status, 502);
  EXPECT_EQ(fake_.requests().size(), 5U) << "control: four failures do not open it";
  const Reply left_alone = program.post(kChat, ask("modelo-cut"));
  EXPECT_EQ(left_alone.status, 502);
  EXPECT_EQ(left_alone.json["error"]["code"], "upstream_down");
  const Reply streamed = program.post(kChat, ask("modelo-cut", true));
  EXPECT_EQ(streamed.status, 502) << "a stream that never began is refused like the whole";
  EXPECT_EQ(streamed.json["error"]["code"], "upstream_down");
  EXPECT_EQ(fake_.requests().size(), 5U) << "not asked any more";
  EXPECT_EQ(program.post(kChat, ask("modelo-good")).status, 200) << "the others are";
  EXPECT_EQ(count("generation WHERE error = 'upstream_down'"), 7) << "each is on record";
}

TEST_F(ProxyUpstreams, ThatResolveToThisMachineAreNotCalledUnlessWrittenSo) {
  ScriptedServer server({http::says(http::events(kWhole))});
  const std::string port = server.options().base_url.substr(server.options().base_url.rfind(':'));
  // This machine's own name leads to it, but is not written as loopback.
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  EXPECT_EQ(over(cat("http://", name, port)).post(kChat, ask("modelo")).status, 502);
  EXPECT_EQ(server.calls(), 0);
  EXPECT_EQ(over("http://localhost" + port).post(kChat, ask("modelo")).status, 200) << "control";
  EXPECT_EQ(server.calls(), 1);
}

TEST_F(ProxyUpstreams, AreAskedAgainWhenTheyAreBusyAsLongAsTheySay) {
  ScriptedServer recovers(
      {http::says(http::answer(429, "{}", "retry-after-ms: 1\r\n")), http::says(""), http::says(http::events(kWhole))});
  const Reply good = over(recovers.options().base_url, 2).post(kChat, ask("modelo"));
  EXPECT_EQ(good.status, 200) << good.json.dump();
  EXPECT_EQ(recovers.calls(), 3);
  ScriptedServer busy({http::says(http::answer(429, "{}", "retry-after-ms: 1\r\n")),
                       http::says(http::answer(429, "{}", "retry-after: 17\r\n"))});
  const Reply refused = over(busy.options().base_url, 1).post(kChat, ask("modelo"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json["error"]["code"], "upstream_busy");
  EXPECT_EQ(refused.headers.get("Retry-After"), "17");
  EXPECT_EQ(busy.calls(), 2);
}

TEST_F(ProxyUpstreams, ThatTalkNonsenseBreakOffOrNeverEndAreTold) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string piece = R"(data: {"choices":[{"index":0,"delta":{"content":"Hola"}}]})"
                            "\n\n";
  const struct {
    const char* what;
    ScriptedServer::Script script;
    int status;
    const char* code;
    bool begins = false;  ///< a word comes before the fault
  } cases[] = {
      {"half a chunk", http::says(cat(head, "ff\r\n", piece)), 502, "upstream_down", true},
      {"half an event", http::says(http::events(piece + "data: {\"choi")), 502, "upstream_down", true},
      {"no JSON", http::says(http::events("data: <html>\n\n")), 502, "upstream_nonsense"},
      {"JSON of another kind", http::says(http::events("data: [1,2]\n\n")), 502, "upstream_nonsense"},
      {"no stream", http::says(http::answer(200, "{}", "Content-Type: application/json\r\n")), 502,
       "upstream_nonsense"},
      {"no HTTP", http::says("SSH-2.0-OpenSSH_9\r\n"), 502, "upstream_nonsense"},
      {"silent", [](test::RawSocket& socket) { socket.hear({}, std::chrono::milliseconds(2'000)); }, 504,
       "upstream_slow"},
      {"endless",
       [](test::RawSocket& socket) {
         socket.say(http::events(""));
         const std::string much =
             cat(R"(data: {"choices":[{"index":0,"delta":{"content":")", std::string(10'000, 'x'), "\"}}]}\n\n");
         while (socket.say(much)) {
         }
       },
       502, "upstream_nonsense", true},
      {"error in the stream", http::says(http::events("data: {\"error\":{\"message\":\"secret host\"}}\n\n")), 502,
       "upstream_refused"},
      {"refuses", http::says(http::answer(400, "{\"error\":{\"message\":\"secret host\"}}")), 400, "upstream_refused"},
  };
  std::vector<std::unique_ptr<ScriptedServer>> servers;
  CollectorConfig config;
  for (const auto& c : cases) {
    servers.push_back(std::make_unique<ScriptedServer>(std::vector{c.script}));
    config.upstreams.push_back(upstream(servers.back()->options().base_url));
    config.upstreams.back().name = c.what;
  }
  start({}, config);
  const Program program = proxy_program();
  for (const auto& c : cases) {
    const Reply whole = program.post(kChat, ask(c.what));
    EXPECT_EQ(whole.status, c.status) << c.what;
    EXPECT_EQ(whole.json["error"]["code"], c.code) << c.what;
    EXPECT_EQ(whole.json.dump().find("secret"), std::string::npos) << c.what;
    const Reply streamed = program.post(kChat, ask(c.what, true));
    const Json told = streamed.events.empty() ? streamed.json : Json::parse(streamed.events.back().data);
    EXPECT_EQ(streamed.status, streamed.events.empty() ? c.status : 200) << c.what;
    EXPECT_EQ(told["error"]["code"], c.code) << c.what;
    EXPECT_EQ(streamed.events.empty(), !c.begins) << c.what << ": only what began is told within the stream";
    EXPECT_EQ(count(cat("generation WHERE error <> '' AND upstream = '", c.what, "'")), 2) << c.what;
  }
}

TEST_F(ProxyUpstreams, AClientThatLeavesInTheMiddleFreesItsPlaceAndItsAnswerIsLogged) {
  CollectorConfig config;
  config.max_turns = 1;
  start({"held"}, config);
  const Program program = proxy_program();
  {
    test::RawSocket phone = line(program.token(), ask("modelo-held", true));
    ASSERT_NE(phone.hear("\"Una\"").find("\"Una\""), std::string::npos);
    EXPECT_EQ(program.post(kChat, ask("modelo-held", true)).status, 503) << "control: its place is taken";
  }
  ASSERT_TRUE(wait_for("generation WHERE text = 'Una' AND error = 'interrupted' AND finish_reason = 'cancelled'", 1));
  fake_.open();
  const Reply next = program.post(kChat, ask("modelo-held", true));
  EXPECT_EQ(next.events.back().data, "[DONE]");
  EXPECT_EQ(count("generation"), 2);
}

TEST_F(ProxyUpstreams, TheEndOfTheServerLogsWhatCameSoFar) {
  start({"held"});
  const Program program = proxy_program();
  test::RawSocket phone = line(program.token(), ask("modelo-held", true));
  ASSERT_NE(phone.hear("\"Una\"").find("\"Una\""), std::string::npos);
  collector_->stop();
  EXPECT_EQ(count("generation WHERE text = 'Una' AND error = 'interrupted'"), 1);
}

/// Streams that its test feeds; no thread each.
struct EventUpstream {
  EventUpstream() {
    server.route("POST", "/v1/chat/completions", [this](const http::Request&, http::Response& response) {
      auto pipe = std::make_shared<http::EventPipe>();
      response.stream_events(pipe->reader());
      pipe->push(R"({"choices":[{"index":0,"delta":{"content":"Ho"}}]})");
      const std::lock_guard lock(mutex);
      pipes.push_back(std::move(pipe));
    });
    server.start();
  }
  static http::ServerOptions options() {
    http::ServerOptions options;
    options.max_event_streams = 200;
    return options;
  }
  void finish_all() {
    const std::lock_guard lock(mutex);
    for (const auto& pipe : pipes) {
      pipe->push(R"({"choices":[{"index":0,"delta":{"content":"la"},"finish_reason":"stop"}]})");
      pipe->push("[DONE]");
      pipe->finish();
    }
  }
  http::Server server{options()};
  std::mutex mutex;
  std::vector<std::shared_ptr<http::EventPipe>> pipes;
};

TEST_F(ProxyUpstreams, AHundredStreamsNeedNoThreadEach) {
  EventUpstream model;
  CollectorConfig config;
  config.max_turns = 100;
  config.max_streams = 200;
  config.upstreams.push_back(upstream(model.server.address()));
  config.upstreams[0].read_seconds = 60;
  start({}, config);
  const Program program = proxy_program();
  std::vector<test::RawSocket> lines;
  int with_one = 0;
  for (int i = 0; i < 100; ++i) {
    lines.push_back(line(program.token(), ask("modelo", true)));
    ASSERT_NE(lines.back().hear("\"Ho\"").find("\"Ho\""), std::string::npos) << i;
    if (i == 0) with_one = threads_now();
  }
  EXPECT_LE(threads_now(), with_one + 10) << "workers and committers, none of them for a stream";
  EXPECT_EQ(program.post(kChat, ask("modelo", true)).status, 503) << "control: all hundred are open";
  EXPECT_EQ(count("generation"), 0);
  model.finish_all();
  for (test::RawSocket& one : lines) {
    const std::string rest = one.hear("[DONE]", std::chrono::seconds(20));
    EXPECT_NE(rest.find("\"la\""), std::string::npos);
    EXPECT_NE(rest.find("[DONE]"), std::string::npos);
  }
  EXPECT_EQ(count("generation WHERE text = 'Hola' AND error = ''"), 100);
}

TEST_F(ProxyUpstreams, AnInformativePairIsWhoTheVotesDoNotConnectYet) {
  const auto met = [&](Pairing pairing) {
    CollectorConfig config;
    config.pairing = pairing;
    start({"good", "other", "afina"}, config);
    database_->transaction([](storage::Transaction& t) {
      const storage::Person person = storage::make_person(t);
      const storage::Shown shown = storage::make_pair_for(t, person);
      t.exec("ALTER TABLE generation DISABLE TRIGGER USER");
      t.exec("UPDATE generation SET upstream = CASE slot WHEN 0 THEN 'modelo-good' ELSE 'modelo-other' END");
      t.exec("ALTER TABLE generation ENABLE TRIGGER USER");
      storage::put_preference(t, storage::vote_on(shown.exposure, 2));
    });
    const Program program = proxy_program();
    for (int i = 0; i < 12; ++i)
      EXPECT_EQ(program.post(kChat, ask("arena")).status, 200);
    EXPECT_TRUE(wait_for("exposure", 13));
    return count(
        "pair p JOIN generation a ON a.id = p.generation_a_id JOIN generation b ON b.id = p.generation_b_id "
        "WHERE 'modelo-afina' IN (a.upstream, b.upstream)");
  };
  EXPECT_EQ(met(Pairing::informative), 12);
  EXPECT_LT(met(Pairing::random), 12) << "control: by chance it is two of three";
}

TEST_F(ProxyUpstreams, AnAnswerThatNamesItsMakerMarksItsSideOfThePair) {
  ScriptedServer talks({http::says(http::events(
      R"(data: {"choices":[{"index":0,"delta":{"content":"Soy ChatGPT, hecho por OpenAI."},"finish_reason":"stop"}]})"
      "\n\ndata: [DONE]\n\n"))});
  CollectorConfig config;
  config.upstreams.push_back(upstream(talks.options().base_url));
  start({"good"}, config);
  const Program program = proxy_program();
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(program.post(kChat, ask("arena")).status, 200);
  ASSERT_TRUE(wait_for("exposure", 6));
  EXPECT_EQ(count("exposure e JOIN pair p ON p.id = e.pair_id JOIN generation a ON a.id = p.generation_a_id "
                  "WHERE e.leak_a = (a.upstream = 'modelo') AND e.leak_b = (a.upstream <> 'modelo')"),
            6);
}

}  // namespace
}  // namespace afina::collector
