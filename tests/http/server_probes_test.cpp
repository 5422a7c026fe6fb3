// SPDX-License-Identifier: Apache-2.0
// What hostile and clumsy clients do to the server, over real sockets. Deadlines are short here so that the tests are.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <thread>

#include "http/server.h"
#include "tests/http/raw_socket.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;
using test::RawSocket;
using test::status_of;

ServerOptions quick_options() {
  ServerOptions options;
  options.max_body_bytes = 1 << 20;
  options.head_deadline = 300ms;
  options.body_deadline = 300ms;
  options.idle_deadline = 700ms;
  options.write_deadline = 500ms;
  options.heartbeat = 300ms;
  options.drain_deadline = 400ms;
  options.workers = 4;
  options.max_streams = 2;
  options.max_queue = 4;
  options.max_connections = 400;
  return options;
}

std::string get(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

std::string post(const std::string& target, const std::string& body, const std::string& headers = "") {
  return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

std::string close_after(const std::string& request) {
  return std::string(request).insert(request.find("\r\n") + 2, "Connection: close\r\n");
}

class ServerProbes : public ::testing::Test {
 protected:
  void start(ServerOptions options = quick_options()) {
    server_ = std::make_unique<Server>(std::move(options));
    server_->add_rate_class({.name = "slow", .per_second = 0.01, .burst = 2});
    server_->route("GET", "/ping", [](const Request&, Response& r) { r.set_json(Json{{"pong", true}}); });
    server_->route("POST", "/echo", [](const Request& q, Response& r) { r.set_json(q.json()); });
    server_->route("POST", "/small", [](const Request&, Response& r) { r.set_json(Json::object()); },
                   {.max_body_bytes = 10});
    server_->route("GET", "/limited", [](const Request&, Response& r) { r.set_json(Json::object()); },
                   {.rate_class = "slow"});
    server_->route("GET", "/throw", [](const Request&, Response&) { throw std::runtime_error("secret words"); });
    server_->route("GET", "/typed/{id}", [](const Request& q, Response&) {
      throw NotFound(cat("[pair] must exist, but got \"", q.param("id"), "\"."));
    });
    server_->route("GET", "/storage",
                   [](const Request&, Response&) { throw StorageError("[storage] host db.internal is down."); });
    server_->route("POST", "/openai",
                   [](const Request&, Response&) {
                     throw HttpError(ErrorKind::not_found, 404, "no such model", "model_not_found");
                   },
                   {.error_form = ErrorForm::openai});
    server_->route("GET", "/big",
                   [](const Request&, Response& r) { r.set_body(std::string(8 << 20, 'x'), "text/plain"); });
    server_->route("GET", "/header", [](const Request& q, Response& r) {
      r.headers.set("X-Echo", q.query_value("v").value_or(""));
      r.set_json(Json::object());
    });
    server_->route("GET", "/block", [this](const Request& q, Response& r) {
      std::unique_lock lock(mutex_);
      ++blocked_;
      changed_.notify_all();
      changed_.wait(lock, q.stop, [&] { return released_; });
      if (q.stop.stop_requested()) ++left_;
      changed_.notify_all();
      r.set_json(Json::object());
    });
    server_->route("GET", "/events", [this](const Request&, Response& r) {
      r.stream([this](SseWriter& writer) {
        writer.send("hola");
        std::unique_lock lock(mutex_);
        changed_.wait(lock, writer.stop_token(), [&] { return released_; });
        ++streams_ended_;
        changed_.notify_all();
        lock.unlock();
        writer.send("adiós");
      });
    });
    server_->route("GET", "/bad-events", [](const Request&, Response& r) {
      r.stream([](SseWriter& writer) {
        writer.send("one");
        throw std::runtime_error("secret words");
      });
    });
    server_->start();
  }
  void TearDown() override {
    release();
    server_.reset();
  }
  void release() {
    std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  template <typename Condition>
  bool eventually(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 5s, condition);
  }
  std::string ask(const std::string& request) {
    RawSocket socket(server_->port());
    socket.say(close_after(request));
    return socket.hear();
  }
  double ping_seconds() {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(status_of(ask(get("/ping"))), 200);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  std::unique_ptr<Server> server_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  int blocked_ = 0, left_ = 0, streams_ended_ = 0;
  bool released_ = false;
};

TEST_F(ServerProbes, ANameThatComesTwiceInTheQueryIsRefused) {
  start();
  for (const char* query : {"v=1&v=2", "v=1&v=1", "v&v", "a=1&v=1&v="})
    EXPECT_EQ(status_of(ask(get(std::string("/header?") + query))), 400) << query;
  EXPECT_EQ(status_of(ask(get("/header?v=1&w=1&&vv=2"))), 200);
}

TEST_F(ServerProbes, AnAnswerCarriesTheSecurityHeadersAndARequestId) {
  start();
  const std::string answer = ask(get("/ping"));
  EXPECT_EQ(status_of(answer), 200);
  for (const char* header : {"Content-Security-Policy: default-src 'none'", "X-Content-Type-Options: nosniff",
                             "Referrer-Policy: no-referrer", "Cross-Origin-Opener-Policy: same-origin",
                             "Cache-Control: no-store", "X-Request-Id: ", "\r\nDate: "}) {
    EXPECT_NE(answer.find(header), std::string::npos) << header;
  }
  EXPECT_TRUE(answer.ends_with("\r\n\r\n{\"pong\":true}")) << answer;
}

TEST_F(ServerProbes, ConnectionsAreKeptAndPipelinedRequestsAllAnswered) {
  start();
  RawSocket socket(server_->port());
  socket.say(get("/ping") + get("/typed/7") + post("/echo", "[1,2]") + close_after(get("/ping")));
  const std::string answers = socket.hear();
  size_t count = 0;
  for (size_t at = answers.find("HTTP/1.1 "); at != std::string::npos; at = answers.find("HTTP/1.1 ", at + 1))
    ++count;
  EXPECT_EQ(count, 4u) << answers;
  EXPECT_NE(answers.find("[1,2]"), std::string::npos);
}

TEST_F(ServerProbes, BadRequestsGetTheirStatusAndTheServerLives) {
  start();
  const struct {
    const char* what;
    std::string bytes;
    int status;
  } cases[] = {
      {"unknown path", get("/nothing"), 404},
      {"wrong method", "DELETE /ping HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
      {"preflight", "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403},
      {"not JSON", post("/echo", "{\"a\":"), 422},
      {"too deep", post("/echo", std::string(100'000, '[')), 422},
      {"empty body", post("/echo", ""), 422},
      {"wrong type",
       "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415},
      {"body above the route's cap", post("/small", "[1,2,3,4,5,6]"), 413},
      {"10 MB by length", post("/echo", std::string(10 << 20, ' ')), 413},
      {"chunked and length", post("/echo", "{}", "Transfer-Encoding: chunked\r\n"), 501},
      {"two lengths", post("/echo", "{}", "Content-Length: 2\r\n"), 400},
      {"gzip", post("/echo", "{}", "Content-Encoding: gzip\r\n"), 415},
      {"zero byte", get("/pi%00ng"), 400},
      {"encoded line break", get("/ping", "X: a%0d%0aFAKE: 1\r\n"), 400},
      {"foreign host", "GET /ping HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
      {"cross-site write", post("/echo", "{}", "Sec-Fetch-Site: cross-site\r\n"), 403},
      {"write from another origin", post("/echo", "{}", "Origin: https://evil.example\r\n"), 403},
      {"sandboxed origin", post("/echo", "{}", "Origin: null\r\n"), 403},
      {"own origin", post("/echo", "{}", "Origin: http://localhost\r\n"), 200},
      {"not HTTP", "\x16\x03\x01\x02\n\r\n\r\n", 400},
      {"range flood",
       get(
           "/ping", "Range: bytes=" +
                        [] {
                          std::string ranges = "0-";
                          for (int i = 0; i < 200; ++i)
                            ranges += ",0-";
                          return ranges;
                        }() +
                        "\r\n"),
       200},
      {"long path", get("/" + std::string(3'000, 'a')), 404},
      {"body after GET is not run as a request", get("/ping", "Content-Length: 40\r\n") + get("/typed/1"), 400},
  };
  for (const auto& c : cases)
    EXPECT_EQ(status_of(ask(c.bytes)), c.status) << c.what;
  std::string flood = "GET /ping HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 300'000; ++i)
    flood += "A: b\r\n";
  const int status = status_of(ask(flood + "\r\n"));
  EXPECT_EQ(status, 431);
  EXPECT_EQ(status_of(ask(get("/ping"))), 200);
}

TEST_F(ServerProbes, ErrorsHaveOneFormAndForeignOnesNoText) {
  start();
  const std::string foreign = ask(get("/throw"));
  EXPECT_EQ(status_of(foreign), 500);
  EXPECT_EQ(foreign.find("secret"), std::string::npos);
  const std::string typed = ask(get("/typed/7"));
  EXPECT_EQ(status_of(typed), 404);
  EXPECT_NE(typed.find("\"kind\":\"not_found\""), std::string::npos);
  EXPECT_NE(typed.find("but got \\\"7\\\""), std::string::npos);
  const std::string storage = ask(get("/storage"));
  EXPECT_EQ(status_of(storage), 503);
  EXPECT_EQ(storage.find("db.internal"), std::string::npos);
  EXPECT_NE(storage.find("Retry-After: 1"), std::string::npos);
  const std::string openai = ask(post("/openai", "{}"));
  EXPECT_NE(openai.find("\"code\":\"model_not_found\""), std::string::npos);
  EXPECT_NE(openai.find("\"type\":\"invalid_request_error\""), std::string::npos);
}

TEST_F(ServerProbes, AHeaderValueOfOursCannotBeSplit) {
  start();
  const std::string answer = ask(get("/header?v=a%0d%0aSet-Cookie:%20x=1"));
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_EQ(answer.find("\r\nSet-Cookie"), std::string::npos);
}

TEST_F(ServerProbes, SlowHeadsAndBodiesEndAtTheirDeadlineAndHoldNobodyUp) {
  start();
  std::vector<RawSocket> heads, bodies;
  for (int i = 0; i < 40; ++i) {
    heads.emplace_back(server_->port());
    heads.back().say("GET /pi");
    bodies.emplace_back(server_->port());
    bodies.back().say(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
  }
  EXPECT_LT(ping_seconds(), 0.25);
  // Dripping does not extend the deadline: it is of the whole head.
  std::jthread drip([&](std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any tick;
    std::unique_lock lock(mutex);
    while (!tick.wait_for(lock, stop, 50ms, [] { return false; }) && !stop.stop_requested()) {
      for (RawSocket& socket : heads)
        socket.say("n");
    }
  });
  EXPECT_EQ(status_of(bodies[0].hear()), 408);
  EXPECT_EQ(status_of(heads[39].hear()), 408);
  EXPECT_LT(ping_seconds(), 0.25);
}

TEST_F(ServerProbes, ThreeHundredIdleConnectionsCostNothing) {
  start();
  std::vector<RawSocket> idle;
  for (int i = 0; i < 300; ++i)
    idle.emplace_back(server_->port());
  EXPECT_LT(ping_seconds(), 0.25);
  EXPECT_EQ(idle[0].hear({}, 4'000ms), "");
  EXPECT_TRUE(idle[0].closed());
}

TEST_F(ServerProbes, ConnectionsAboveTheCapAreRefused) {
  ServerOptions options = quick_options();
  options.max_connections = 16;
  start(options);
  std::vector<RawSocket> idle;
  for (int i = 0; i < 16; ++i)
    idle.emplace_back(server_->port());
  RawSocket late(server_->port());
  EXPECT_EQ(status_of(late.hear()), 503);
}

TEST_F(ServerProbes, BusyWorkersShedTheRestWith503) {
  ServerOptions options = quick_options();
  options.workers = 1;
  options.max_streams = 1;
  options.max_bodies = 0;
  options.max_queue = 1;
  start(options);
  std::vector<RawSocket> busy;
  for (int i = 0; i < 3; ++i) {
    busy.emplace_back(server_->port());
    busy.back().say(close_after(get("/block")));
    if (i < 2) {
      ASSERT_TRUE(eventually([&] { return blocked_ == i + 1; }));
    }
  }
  // The third waits in the queue; polling because the server tells nobody when it has queued it.
  std::string shed;
  for (int i = 0; i < 100 && status_of(shed) != 503; ++i) {
    RawSocket socket(server_->port());
    socket.say(get("/ping"));
    shed = socket.hear({}, 100ms);
  }
  EXPECT_EQ(status_of(shed), 503);
  EXPECT_NE(shed.find("Retry-After"), std::string::npos);
  release();
  for (RawSocket& socket : busy)
    EXPECT_EQ(status_of(socket.hear()), 200);
}

TEST_F(ServerProbes, AReaderThatStopsReadingIsCutOff) {
  ServerOptions options = quick_options();
  options.workers = 1;
  options.max_streams = 0;
  options.max_bodies = 0;
  start(options);
  RawSocket stuck(server_->port());
  stuck.say(get("/big"));
  const auto begin = std::chrono::steady_clock::now();
  // The only worker is writing 8 MiB to somebody who does not read; the next request waits for its deadline, no longer.
  // 8 MiB at the slowest accepted pace would be minutes, so this holds only because no progress at all is made.
  RawSocket next(server_->port());
  next.say(close_after(get("/ping")));
  EXPECT_EQ(status_of(next.hear({}, 4'000ms)), 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST_F(ServerProbes, StreamsBeatAreCappedAndNoticeThatTheClientLeft) {
  start();
  auto first = std::make_unique<RawSocket>(server_->port());
  RawSocket second(server_->port());
  first->say(get("/events"));
  second.say(get("/events"));
  const std::string begun = first->hear("hola");
  EXPECT_NE(begun.find("text/event-stream"), std::string::npos);
  EXPECT_NE(begun.find("Transfer-Encoding: chunked"), std::string::npos);
  second.hear("hola");
  EXPECT_EQ(status_of(ask(get("/events"))), 503);
  EXPECT_EQ(status_of(ask(get("/ping"))), 200);
  EXPECT_NE(second.hear(":\n\n", 2'000ms).find(":\n\n"), std::string::npos);
  first->close();
  EXPECT_TRUE(eventually([&] { return streams_ended_ == 1; }));
  // The slot is freed after the handler has ended; nobody is told.
  std::string answer;
  for (int i = 0; i < 50 && answer.find("hola") == std::string::npos; ++i) {
    RawSocket third(server_->port());
    third.say(get("/events"));
    answer = third.hear("hola", 100ms);
  }
  EXPECT_NE(answer.find("hola"), std::string::npos);
  release();
  EXPECT_NE(second.hear("0\r\n\r\n").find("adiós"), std::string::npos);
}

TEST_F(ServerProbes, AStreamThatThrowsEndsWithAnErrorEvent) {
  start();
  const std::string answer = ask(get("/bad-events"));
  EXPECT_NE(answer.find("data: one"), std::string::npos);
  EXPECT_NE(answer.find("data: {\"error\""), std::string::npos);
  EXPECT_EQ(answer.find("secret"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("0\r\n\r\n"));
}

TEST_F(ServerProbes, AHandlerLearnsThatItsClientLeft) {
  start();
  {
    RawSocket socket(server_->port());
    socket.say(get("/block"));
    ASSERT_TRUE(eventually([&] { return blocked_ == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return left_ == 1; }));
}

TEST_F(ServerProbes, ARateClassAnswers429WithRetryAfter) {
  start();
  EXPECT_EQ(status_of(ask(get("/limited"))), 200);
  EXPECT_EQ(status_of(ask(get("/limited"))), 200);
  const std::string third = ask(get("/limited"));
  EXPECT_EQ(status_of(third), 429);
  EXPECT_NE(third.find("Retry-After: "), std::string::npos);
}

TEST_F(ServerProbes, LargeBodiesWaitForContinueAndHeadHasNoBody) {
  start();
  RawSocket socket(server_->port());
  socket.say(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: "
      "100-continue\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(socket.hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.say("{}");
  EXPECT_EQ(status_of(socket.hear()), 200);
  EXPECT_TRUE(ask("HEAD /ping HTTP/1.1\r\nHost: localhost\r\n\r\n").ends_with("\r\n\r\n"));
}

TEST_F(ServerProbes, StopFinishesWhatRunsAndRefusesWhatComes) {
  start();
  RawSocket running(server_->port()), stream(server_->port()), idle(server_->port());
  running.say(get("/block"));
  stream.say(get("/events"));
  ASSERT_TRUE(eventually([&] { return blocked_ == 1; }));
  stream.hear("hola");
  const int port = server_->port();
  std::jthread stopper([&] { server_->stop(); });
  EXPECT_NE(stream.hear("adiós").find("adiós"), std::string::npos);
  release();
  const std::string answer = running.hear();
  EXPECT_EQ(status_of(answer), 200);
  stopper.join();
  EXPECT_EQ(idle.hear(), "");
  EXPECT_THROW(RawSocket{port}, std::runtime_error);
}

TEST_F(ServerProbes, StopCutsOffAHandlerThatDoesNotEnd) {
  start();
  RawSocket running(server_->port());
  running.say(get("/block"));
  ASSERT_TRUE(eventually([&] { return blocked_ == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST(ServerBind, RemoteAddressesNeedAnExplicitYesAndATakenPortIsAnError) {
  for (const char* host : {"0.0.0.0", "::", "10.1.2.3", "example.org"}) {
    Server server({.host = host});
    EXPECT_THROW(server.start(), UsageError) << host;
  }
  Server open({.host = "0.0.0.0", .allow_remote = true});
  open.start();
  EXPECT_GT(open.port(), 0);
  Server first;
  first.start();
  Server second({.port = first.port()});
  EXPECT_THROW(second.start(), StorageError);
}

}  // namespace
}  // namespace afina::http
