// SPDX-License-Identifier: Apache-2.0
// Answers that come after the handler has returned: from any thread, without holding one, and never lost in silence.
#include <gtest/gtest.h>

#include <condition_variable>
#include <list>
#include <thread>

#include "base/error.h"
#include "http/server.h"
#include "tests/http/raw_socket.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;
using test::RawSocket;
using test::status_of;

constexpr std::string_view kAsk = "POST /later HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";

class LaterReply : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.route("POST", "/later", [this](const Request& request, Response& response) {
      response.answer_later([this, id = request.request_id](Reply reply) {
        const std::lock_guard lock(mutex_);
        replies_.push_back(std::move(reply));
        changed_.notify_all();
      });
    });
    server_.route("POST", "/forgets", [](const Request&, Response& response) { response.answer_later([](Reply) {}); });
    server_.route("POST", "/throws", [](const Request&, Response& response) {
      response.answer_later([](Reply) { throw NotFound("[thing] must exist, but does not."); });
    });
    server_.route("GET", "/now", [](const Request&, Response& response) { response.set_body("now", "text/plain"); });
    server_.start();
  }
  void TearDown() override {
    server_.stop();
    replies_.clear();
  }
  Reply next_reply() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 5s, [&] { return !replies_.empty(); })) throw std::runtime_error("no request came");
    Reply reply = std::move(replies_.front());
    replies_.pop_front();
    return reply;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Reply> replies_;
  Server server_{[] {
    ServerOptions options;
    options.workers = 1;
    options.max_streams = options.max_bodies = 0;
    options.max_queue = 64;
    options.drain_deadline = 200ms;
    options.write_deadline = 5s;
    return options;
  }()};
};

TEST_F(LaterReply, ComesFromAnotherThreadWithTheHeadersOfEveryAnswerAndKeepsTheConnection) {
  RawSocket client(server_.port());
  for (int round = 0; round < 3; ++round) {
    client.say(kAsk);
    std::jthread([reply = next_reply()] { reply([](Response& r) { r.set_json(Json{{"said", "yes"}}, 201); }); });
    const std::string answer = client.hear("\"yes\"}");
    EXPECT_EQ(status_of(answer), 201) << answer;
    for (const char* header : {"X-Request-Id: ", "Content-Security-Policy: ", "X-Content-Type-Options: nosniff",
                               "Cache-Control: no-store", "Content-Type: application/json", "Content-Length: 14\r\n"})
      EXPECT_NE(answer.find(header), std::string::npos) << header;
    EXPECT_EQ(answer.find("Connection: close"), std::string::npos);
  }
}

TEST_F(LaterReply, HoldsNoThread) {
  // One worker: with a thread for each, the second of these and the page behind them would wait for ever.
  std::list<RawSocket> clients;
  for (int i = 0; i < 50; ++i)
    clients.emplace_back(server_.port()).say(kAsk);
  std::list<Reply> replies;
  for (int i = 0; i < 50; ++i)
    replies.push_back(next_reply());
  RawSocket other(server_.port());
  other.say("GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(status_of(other.hear("\r\n\r\nnow")), 200);
  for (const Reply& reply : replies)
    reply([](Response& r) { r.set_body("done", "text/plain"); });
  for (RawSocket& client : clients)
    EXPECT_EQ(status_of(client.hear("\r\n\r\ndone")), 200);
}

TEST_F(LaterReply, TurnsWhatIsThrownIntoTheAnswerThatAHandlersErrorGets) {
  RawSocket client(server_.port());
  client.say(kAsk);
  next_reply()([](Response&) { throw HttpError(ErrorKind::conflict, 409, "[vote] must be new.", "already_voted"); });
  std::string answer = client.hear("}}");
  EXPECT_EQ(status_of(answer), 409);
  EXPECT_NE(answer.find("already_voted"), std::string::npos);
  client.say("POST /throws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  answer = client.hear("}}");
  EXPECT_EQ(status_of(answer), 404) << answer;
}

TEST_F(LaterReply, ThatNobodyGivesIsA500AndTheFirstOfTwoCounts) {
  RawSocket client(server_.port());
  client.say("POST /forgets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_of(client.hear("}}")), 500);
  client.say(kAsk);
  const Reply reply = next_reply();
  reply([](Response& r) { r.set_body("first", "text/plain"); });
  reply([](Response& r) { r.set_body("second", "text/plain"); });
  EXPECT_NE(client.hear("first").find("first"), std::string::npos);
  client.say("GET /now HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.hear().find("second"), std::string::npos);
}

TEST_F(LaterReply, MayBeAStreamOfEventsThatKeepsTheConnection) {
  RawSocket client(server_.port());
  for (int round = 0; round < 2; ++round) {
    client.say(kAsk);
    EventPipe pipe;
    pipe.push("uno");
    next_reply()([&](Response& r) { r.stream_events(pipe.reader()); });
    const std::string begun = client.hear("data: uno\n\n");
    EXPECT_EQ(status_of(begun), 200) << begun;
    for (const char* header : {"Content-Type: text/event-stream\r\n", "Transfer-Encoding: chunked\r\n",
                               "X-Request-Id: ", "X-Content-Type-Options: nosniff"})
      EXPECT_NE(begun.find(header), std::string::npos) << header;
    EXPECT_EQ(begun.find("Content-Length"), std::string::npos);
    pipe.push("dos");
    pipe.finish();
    EXPECT_NE(client.hear("\r\n0\r\n\r\n").find("data: dos\n\n"), std::string::npos);
  }
}

TEST_F(LaterReply, AsAStreamEndsWithTheConnectionForAnOlderClient) {
  RawSocket client(server_.port());
  client.say("POST /later HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  EventPipe pipe;
  pipe.push("uno");
  pipe.finish();
  next_reply()([&](Response& r) { r.stream_events(pipe.reader()); });
  const std::string heard = client.hear();
  EXPECT_TRUE(client.closed());
  EXPECT_NE(heard.find("Connection: close\r\n"), std::string::npos) << heard;
  EXPECT_TRUE(heard.ends_with("\r\n\r\ndata: uno\n\n")) << heard;
}

TEST_F(LaterReply, DoesNotHoldWhoeverGivesItWhenTheClientReadsSlowly) {
  RawSocket client(server_.port());
  client.say(kAsk);
  const std::string large(size_t{20} << 20, 'x');
  const Reply reply = next_reply();
  const auto start = std::chrono::steady_clock::now();
  reply([&](Response& r) { r.set_body(large, "text/plain"); });
  // The client has read nothing: more than the socket holds waits on a worker, and this thread is free.
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  std::string heard;
  while (heard.size() < large.size() + 4 && !client.closed())
    heard += client.hear("\r\n\r\n", 100ms);
  EXPECT_EQ(heard.size() - heard.find("\r\n\r\n") - 4, large.size());
}

TEST_F(LaterReply, IsWaitedForWhenTheServerStopsAndGoesNowhereAfterTheDeadline) {
  RawSocket client(server_.port()), late(server_.port());
  client.say(kAsk);
  const Reply first = next_reply();
  late.say(kAsk);
  const Reply never = next_reply();
  std::jthread stopping([&] { server_.stop(); });
  first([](Response& r) { r.set_body("in time", "text/plain"); });
  EXPECT_NE(client.hear("in time").find("in time"), std::string::npos);
  stopping.join();
  EXPECT_EQ(late.hear(), "");
  EXPECT_TRUE(late.closed());
  never([](Response& r) { r.set_body("too late", "text/plain"); });
}

TEST_F(LaterReply, OfAClientThatLeftIsHarmless) {
  {
    RawSocket gone(server_.port());
    gone.say(kAsk);
  }
  next_reply()([](Response& r) { r.set_body("nobody hears", "text/plain"); });
  RawSocket other(server_.port());
  other.say("GET /now HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(other.hear()), 200);
}

}  // namespace
}  // namespace afina::http
