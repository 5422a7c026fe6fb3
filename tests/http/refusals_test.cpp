// SPDX-License-Identifier: Apache-2.0
// What the server itself refuses: always with a code that a client can read, in memory that does not grow with what is
// thrown at it.
#include <gtest/gtest.h>

#include <fstream>

#include "http/rate_limiter.h"
#include "http/server.h"
#include "tests/http/raw_socket.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;
using test::RawSocket;
using test::status_of;

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  long pages = 0, resident = 0;
  file >> pages >> resident;
  return static_cast<double>(resident * ::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

class Refusals : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.add_rate_class({.name = "slow", .per_second = 0.01, .burst = 1});
    server_.route("GET", "/ping", [](const Request&, Response& r) { r.set_json(Json::object()); });
    server_.route("POST", "/echo", [](const Request& q, Response& r) { r.set_json(q.json()); });
    server_.route("GET", "/limited", [](const Request&, Response& r) { r.set_json(Json::object()); },
                  {.rate_class = "slow"});
    server_.route("GET", "/openai", [](const Request&, Response& r) { r.set_json(Json::object()); },
                  {.error_form = ErrorForm::openai, .rate_class = "slow"});
    server_.route("GET", "/conflict", [](const Request&, Response&) { throw Conflict("[x] must be free."); });
    server_.route("GET", "/storage", [](const Request&, Response&) { throw StorageError("[x] is down."); });
    server_.route("GET", "/failed", [](const Request&, Response&) { throw InternalError("[x] is wrong."); });
    server_.start();
  }
  std::string ask(const std::string& request) {
    RawSocket socket(server_.port());
    socket.say(std::string(request).insert(request.find("\r\n") + 2, "Connection: close\r\n"));
    return socket.hear();
  }
  std::string get(const std::string& path) { return ask(cat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n")); }
  std::string post(const std::string& headers, const std::string& body = "{}") {
    return ask(
        cat("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", body.size(), "\r\n", headers, "\r\n", body));
  }
  static std::string code_of(const std::string& answer) {
    const Json json = parse_json(answer.substr(answer.find("\r\n\r\n") + 4), "answer");
    return cat(status_of(answer), " ", json.at("error").at("code").get<std::string>());
  }
  /// Says `piece` over and over until 200 MB have gone or the server takes no more. The most memory it took, MiB.
  double flood(RawSocket& socket, const std::string& piece) {
    const double before = resident_mib();
    double most = before;
    for (size_t sent = 0; sent < 200'000'000; sent += piece.size()) {
      if (!socket.say(piece)) break;
      most = std::max(most, resident_mib());
    }
    return most - before;
  }

  Server server_{[] {
    ServerOptions options;
    options.max_body_bytes = 1000;
    options.body_deadline = 200ms;
    options.head_deadline = 200ms;
    return options;
  }()};
};

TEST_F(Refusals, EveryOneHasACode) {
  EXPECT_EQ(code_of(get("/nothing")), "404 not_found");
  EXPECT_EQ(code_of(ask("DELETE /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")), "405 bad_request");
  EXPECT_EQ(code_of(post("Content-Type: application/json\r\n", std::string(1001, ' '))), "413 too_large");
  EXPECT_EQ(code_of(post("Content-Type: text/plain\r\n")), "415 bad_request");
  EXPECT_EQ(code_of(post("Content-Type: application/json\r\n", "{")), "422 bad_request");
  EXPECT_EQ(code_of(post("Transfer-Encoding: chunked\r\n")), "501 bad_request");
  EXPECT_EQ(code_of(ask("GET /ping HTTP/9.9\r\nHost: localhost\r\n\r\n")), "505 bad_request");
  EXPECT_EQ(code_of(ask("GET /ping HTTP/1.1\r\nHost: evil.example\r\n\r\n")), "421 bad_request");
  EXPECT_EQ(code_of(post("Sec-Fetch-Site: cross-site\r\n")), "403 cross_site");
  EXPECT_EQ(code_of(get("/conflict")), "409 conflict");
  EXPECT_EQ(code_of(get("/storage")), "503 storage");
  EXPECT_EQ(code_of(get("/failed")), "500 internal");
  get("/limited");
  EXPECT_EQ(code_of(get("/limited")), "429 rate_limited");
  EXPECT_EQ(code_of(get("/openai")), "429 rate_limit_exceeded") << "OpenAI's clients know this one";
  RawSocket slow(server_.port());
  slow.say("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{");
  EXPECT_EQ(code_of(slow.hear()), "408 too_slow");
}

TEST_F(Refusals, OtherCharsetsThanUtf8AndUnknownParametersAre415) {
  for (const char* type : {"application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\"",
                           "application/json ; charset=UTF-8"})
    EXPECT_EQ(status_of(post(cat("Content-Type: ", type, "\r\n"))), 200) << type;
  for (const char* type :
       {"application/json; charset=utf-16", "application/json; charset=iso-8859-1", "application/json;junk=1",
        "application/json;", "application/json; charset=utf-8; charset=utf-16", "application/jsonl", ""})
    EXPECT_EQ(status_of(post(cat("Content-Type: ", type, "\r\n"))), 415) << type;
}

TEST_F(Refusals, TwoHundredMegabytesOfOneHeaderLineCostNoMemory) {
  RawSocket socket(server_.port());
  socket.say("GET /ping HTTP/1.1\r\nHost: localhost\r\nA: ");
  EXPECT_LT(flood(socket, std::string(1 << 20, 'a')), 16);
  EXPECT_EQ(status_of(get("/ping")), 200);
}

TEST_F(Refusals, TwoHundredMegabytesInChunksCostNoMemory) {
  RawSocket socket(server_.port());
  socket.say("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_LT(flood(socket, cat("100000\r\n", std::string(1 << 20, 'a'), "\r\n")), 16);
  EXPECT_EQ(status_of(get("/ping")), 200);
}

TEST(RateLimiterSize, AHundredThousandAddressesAreRememberedAndNoMore) {
  RateLimiter limiter(0.001, 1);
  const RateLimiter::Time now{};
  const auto name = [](int i) { return cat("2001:db8:0:", i, "::1"); };
  for (int i = 0; i < 100'000; ++i)
    ASSERT_EQ(limiter.take(name(i), now), 0);
  EXPECT_GT(limiter.take(name(0), now), 0) << "the first is still known, and now the last that was heard of";
  const double full = resident_mib();
  for (int i = 100'000; i < 250'000; ++i)
    ASSERT_EQ(limiter.take(name(i), now), 0);
  EXPECT_LT(resident_mib() - full, 8) << "more of them take no more room";
  EXPECT_GT(limiter.take(name(249'999), now), 0);
  EXPECT_EQ(limiter.take(name(1), now), 0) << "the longest unheard of were forgotten";
}

}  // namespace
}  // namespace afina::http
