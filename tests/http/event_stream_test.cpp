// SPDX-License-Identifier: Apache-2.0
// Event streams that hold no thread: order, beats, vanished and slow clients, caps, and many at one time.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>

#include "http/client.h"
#include "http/server.h"
#include "tests/http/raw_socket.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;
using test::RawSocket;
using test::status_of;

ServerOptions small_options() {
  ServerOptions options;
  options.workers = 2;
  options.max_streams = 0;
  options.max_bodies = 0;
  options.max_event_streams = 64;
  options.heartbeat = 300ms;
  options.write_deadline = 400ms;
  options.drain_deadline = 1'000ms;
  return options;
}

/// Never says anything and tells when it goes; or throws.
class Silent final : public EventReader {
 public:
  Silent(std::function<void()> gone, bool throws) : gone_(std::move(gone)), throws_(throws) {}
  ~Silent() override { gone_(); }
  bool pull(std::string&, size_t) override {
    if (throws_) throw std::runtime_error("secret words");
    return true;
  }
  void on_news(std::function<void()>) override {}

 private:
  std::function<void()> gone_;
  bool throws_;
};

class EventStreams : public ::testing::Test {
 protected:
  void start(ServerOptions options = small_options()) {
    server_ = std::make_unique<Server>(std::move(options));
    server_->route("GET", "/ping", [](const Request&, Response& r) { r.set_json(Json{{"pong", true}}); });
    server_->route("GET", "/pipe", [this](const Request&, Response& r) {
      auto pipe = std::make_shared<EventPipe>(size_t{1} << 20);
      r.stream_events(pipe->reader());
      const std::lock_guard lock(mutex_);
      pipes_.push_back(std::move(pipe));
      changed_.notify_all();
    });
    server_->route("GET", "/silent", [this](const Request& q, Response& r) {
      r.stream_events(std::make_unique<Silent>(
          [this] {
            const std::lock_guard lock(mutex_);
            ++gone_;
            changed_.notify_all();
          },
          q.query_value("throws").has_value()));
    });
    server_->start();
  }
  void TearDown() override {
    pipes_.clear();
    server_.reset();
  }
  RawSocket open(const std::string& path, const std::string& more = "") {
    RawSocket socket(server_->port());
    socket.say(cat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n", more, "\r\n"));
    return socket;
  }
  std::shared_ptr<EventPipe> pipe(size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 5s, [&] { return pipes_.size() > index; });
    return pipes_.at(index);
  }
  bool eventually_gone(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 5s, [&] { return gone_ >= count; });
  }

  std::unique_ptr<Server> server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<EventPipe>> pipes_;
  int gone_ = 0;
};

TEST_F(EventStreams, ArriveInOrderAndTheConnectionIsKept) {
  start();
  RawSocket socket = open("/pipe");
  socket.say("GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");  // sent ahead
  const auto source = pipe(0);
  EXPECT_TRUE(source->push("uno\ndos", "delta", "1"));
  const std::string head = socket.hear("dos");
  EXPECT_NE(head.find("Content-Type: text/event-stream"), std::string::npos) << head;
  EXPECT_NE(head.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_NE(head.find("X-Accel-Buffering: no"), std::string::npos);
  EXPECT_NE(head.find("event: delta\nid: 1\ndata: uno\ndata: dos\n\n"), std::string::npos);
  source->push("tres");
  source->finish();
  EXPECT_FALSE(source->push("late"));
  const std::string rest = socket.hear();
  EXPECT_NE(rest.find("data: tres\n\n\r\n0\r\n\r\nHTTP/1.1 200"), std::string::npos) << rest;
  EXPECT_TRUE(rest.ends_with("{\"pong\":true}"));
}

TEST_F(EventStreams, AConnectionIsClosedAfterTheLastEventWhereTheClientAskedForIt) {
  start();
  RawSocket socket = open("/pipe", "Connection: close\r\n");
  pipe(0)->push("uno");
  pipe(0)->finish();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(socket.hear().ends_with("0\r\n\r\n"));
  EXPECT_TRUE(socket.closed());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST_F(EventStreams, OldClientsGetThemUntilTheConnectionCloses) {
  start();
  RawSocket socket(server_->port());
  socket.say("GET /pipe HTTP/1.0\r\nHost: localhost\r\n\r\n");
  pipe(0)->push("uno");
  pipe(0)->finish();
  const std::string answer = socket.hear();
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\ndata: uno\n\n")) << answer;
}

TEST_F(EventStreams, HeadHasNoEventsAndFreesItsPlace) {
  ServerOptions options = small_options();
  options.max_event_streams = 1;
  start(options);
  for (int i = 0; i < 3; ++i) {
    RawSocket socket(server_->port());
    socket.say("HEAD /silent HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(status_of(socket.hear()), 200);
  }
  EXPECT_TRUE(eventually_gone(3));
}

TEST_F(EventStreams, BeatWhenSilentAndNoticeWithinASecondThatTheClientLeft) {
  start();
  RawSocket socket = open("/silent");
  EXPECT_NE(socket.hear(":\n\n", 2'000ms).find("\r\n3\r\n:\n\n\r\n"), std::string::npos);
  const auto begin = std::chrono::steady_clock::now();
  socket.close();
  EXPECT_TRUE(eventually_gone(1));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_F(EventStreams, AProducerLearnsThatItsClientLeft) {
  start();
  {
    RawSocket socket = open("/pipe");
    pipe(0)->push("hola");
    socket.hear("hola");
  }
  const auto source = pipe(0);
  std::mutex mutex;
  std::condition_variable_any left;
  std::unique_lock lock(mutex);
  const auto token = source->stop_token();
  left.wait_for(lock, token, 2s, [] { return false; });
  EXPECT_TRUE(token.stop_requested());
  EXPECT_FALSE(source->push("more"));
}

TEST_F(EventStreams, ThoseAboveTheCapGet503AndAPlaceComesBack) {
  ServerOptions options = small_options();
  options.max_event_streams = 2;
  start(options);
  std::vector<RawSocket> sockets;
  for (size_t i = 0; i < 2; ++i) {
    sockets.push_back(open("/pipe"));
    pipe(i)->push("hola");
    sockets.back().hear("hola");
  }
  RawSocket third = open("/pipe", "Connection: close\r\n");
  const std::string refused = third.hear();
  EXPECT_EQ(status_of(refused), 503);
  EXPECT_NE(refused.find("Retry-After: 1"), std::string::npos);
  EXPECT_EQ(status_of(open("/ping", "Connection: close\r\n").hear()), 200) << "other requests go on";
  sockets.clear();
  std::string answer;
  for (int i = 0; i < 100 && status_of(answer) != 200; ++i)
    answer = open("/silent").hear("\r\n\r\n");
  EXPECT_EQ(status_of(answer), 200);
}

TEST_F(EventStreams, AReaderThatStopsReadingIsCutAndItsSourceTold) {
  start();
  RawSocket stuck = open("/pipe");
  const auto source = pipe(0);
  const std::string piece(64 * 1024, 'x');
  // The socket's buffers take some megabytes, then nothing: either the pipe overflows or the deadline passes.
  bool taken = true;
  const auto end = std::chrono::steady_clock::now() + 5s;
  while (taken && std::chrono::steady_clock::now() < end)
    taken = source->push(piece);
  EXPECT_FALSE(taken);
  EXPECT_TRUE(source->stop_token().stop_requested());
}

TEST_F(EventStreams, AStuckReaderIsCutAfterTheWriteDeadline) {
  start();
  RawSocket stuck = open("/pipe");
  const auto source = pipe(0);
  // Enough to fill every buffer on the way, few enough to stay in the pipe.
  const auto end = std::chrono::steady_clock::now() + 5s;
  const std::string piece(200 * 1024, 'x');
  std::mutex mutex;
  std::condition_variable_any tick;
  std::unique_lock lock(mutex);
  const auto token = source->stop_token();
  while (!token.stop_requested() && std::chrono::steady_clock::now() < end) {
    source->push(piece);
    tick.wait_for(lock, token, 20ms, [] { return false; });
  }
  EXPECT_TRUE(token.stop_requested());
}

TEST_F(EventStreams, OneThatThrowsIsCutWithoutItsLastChunk) {
  start();
  const std::string answer = open("/silent?throws=1").hear();
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_FALSE(answer.ends_with("0\r\n\r\n"));
  EXPECT_EQ(answer.find("secret"), std::string::npos);
}

TEST_F(EventStreams, AStopSendsWhatIsThereAndEndsThem) {
  start();
  RawSocket socket = open("/pipe");
  pipe(0)->push("hola");
  socket.hear("hola");
  const auto begin = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 900ms);
  EXPECT_TRUE(socket.hear().ends_with("0\r\n\r\n"));
  EXPECT_FALSE(pipe(0)->push("more"));
}

TEST_F(EventStreams, SixtyAtOnceOnTwoWorkersLeaveRoomForOthers) {
  start();
  std::vector<RawSocket> sockets;
  for (int i = 0; i < 60; ++i)
    sockets.push_back(open("/pipe"));
  for (size_t i = 0; i < 60; ++i)
    ASSERT_TRUE(pipe(i)->push(cat("first ", i)));
  EXPECT_EQ(status_of(open("/ping", "Connection: close\r\n").hear()), 200);
  for (int round = 0; round < 50; ++round) {
    for (size_t i = 0; i < 60; ++i)
      pipe(i)->push(cat("n", round));
  }
  for (size_t i = 0; i < 60; ++i)
    pipe(i)->finish();
  for (RawSocket& socket : sockets) {
    const std::string answer = socket.hear("\r\n0\r\n\r\n");
    size_t events = 0;
    for (size_t at = answer.find("data: "); at != std::string::npos; at = answer.find("data: ", at + 1))
      ++events;
    EXPECT_EQ(events, 51u);
    EXPECT_NE(answer.find("data: n49\n\n"), std::string::npos);
  }
}

}  // namespace
}  // namespace afina::http
