// SPDX-License-Identifier: Apache-2.0
// Nobody's share of a server is taken by somebody else's announcements, bytes, sockets or downloads. Every part of
// 127.0.0.0/8 is an address of its own.
#include "http/shares.h"

#include <gtest/gtest.h>

#include <condition_variable>

#include "http/server.h"
#include "tests/http/raw_socket.h"
#include "tests/support/patience.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;
using test::RawSocket;
using test::status_of;

constexpr const char* kOther = "127.0.0.2";

std::string head(const std::string& path, size_t length, const std::string& headers = "") {
  return cat("POST ", path,
             " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ", length, "\r\n",
             headers, "\r\n");
}

class Shares : public ::testing::Test {
 protected:
  static ServerOptions options() {
    ServerOptions options;
    options.body_deadline = 5s;
    options.max_buffered_bytes = size_t{64} << 10;
    options.large_body_bytes = size_t{16} << 10;
    options.max_large_bytes = size_t{1} << 20;
    options.max_large_bytes_per_address = size_t{512} << 10;
    return options;
  }
  void start(ServerOptions options) {
    server_ = std::make_unique<Server>(std::move(options));
    server_->add_rate_class({.name = "files", .per_second = 1e9, .burst = 1e9, .downloads = 1});
    server_->route("POST", "/echo", [](const Request& q, Response& r) { r.set_body(q.body, "text/plain"); });
    server_->route("POST", "/file",
                   [](const Request& q, Response& r) { r.set_body(std::to_string(q.body.size()), "text/plain"); },
                   {.max_body_bytes = size_t{64} << 20});
    const auto endless = [this](const Request&, Response& r) {
      r.stream_body("text/plain", [this](BodyWriter& writer) {
        writer.write(std::string(100'000, 'x'));
        std::unique_lock lock(mutex_);
        changed_.wait(lock, writer.stop_token(), [&] { return released_; });
      });
    };
    server_->route("GET", "/own", endless, {.rate_class = "files"});
    server_->route("GET", "/any", endless);
    server_->start();
  }
  void TearDown() override {
    {
      const std::lock_guard lock(mutex_);
      released_ = true;
      changed_.notify_all();
    }
    server_.reset();
  }
  /// The body comes after the head was read, as it does over a real network.
  int post(const char* from = nullptr, size_t length = 2) {
    RawSocket socket(server_->port(), from);
    socket.say(head("/echo", length, "Expect: 100-continue\r\nConnection: close\r\n"));
    const std::string heard = socket.hear("\r\n\r\n");
    if (status_of(heard) != 100) return status_of(heard);
    socket.say(std::string(length, '1'));
    return status_of(socket.hear());
  }
  RawSocket half_read(size_t announced, size_t sent, const char* from = nullptr) {
    RawSocket socket(server_->port(), from);
    socket.say(head("/file", announced, "Cookie: a=b\r\nExpect: 100-continue\r\n"));
    EXPECT_EQ(status_of(socket.hear("\r\n\r\n")), 100);
    socket.say(std::string(sent, ' '));
    return socket;
  }

  std::unique_ptr<Server> server_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool released_ = false;
};

TEST_F(Shares, WhatIsAnnouncedAndDoesNotComeHoldsNothing) {
  start(options());
  std::vector<RawSocket> idle;
  for (int i = 0; i < 20; ++i)
    idle.push_back(half_read(size_t{64} << 20, 0));
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(post(), 200);
}

TEST_F(Shares, LargeBodiesThatComeHoldTheirOwnShareOnly) {
  start(options());
  RawSocket first = half_read(size_t{2} << 20, size_t{500} << 10);
  RawSocket second = half_read(size_t{2} << 20, size_t{100} << 10);
  // Whose bytes bring it above is refused: the second's, unless the machine let the first's wait.
  std::string refused = second.hear({}, std::chrono::seconds(1));
  if (refused.empty()) refused = first.hear();
  EXPECT_EQ(status_of(refused), 503) << "one address has half of what all have";
  EXPECT_NE(refused.find("\"code\":\"overloaded\""), std::string::npos) << refused;
  const RawSocket elsewhere = half_read(size_t{2} << 20, size_t{400} << 10, kOther);
  EXPECT_EQ(post(), 200) << "ordinary bodies have their own";
  EXPECT_EQ(post(kOther), 200);
}

TEST_F(Shares, WhatALargeBodyHeldIsFreeOnceItsClientIsGone) {
  start(options());
  for (int i = 0; i < 5; ++i) {
    RawSocket leaves = half_read(size_t{2} << 20, size_t{400} << 10);
    leaves.close();
    RawSocket whole(server_->port());
    const size_t length = size_t{500} << 10;
    // The loop hears of the end a moment later; nobody is told.
    int status = 503;
    for (const test::Patience patience; patience.left() && status == 503;) {
      RawSocket socket(server_->port());
      socket.say(head("/file", length, "Cookie: a=b\r\nConnection: close\r\n") + std::string(length, ' '));
      const std::string heard = socket.hear();
      status = status_of(heard);
      if (status == 200) {
        EXPECT_TRUE(heard.ends_with("\r\n\r\n512000")) << heard.substr(0, 400);
      }
    }
    EXPECT_EQ(status, 200);
  }
}

TEST_F(Shares, OfOrdinaryBodiesOneAddressHoldsAQuarter) {
  start(options());
  std::vector<RawSocket> dripping;
  for (int i = 0; i < 2; ++i) {
    dripping.emplace_back(server_->port());
    dripping.back().say(head("/echo", 10'000, "Expect: 100-continue\r\n"));
    EXPECT_EQ(status_of(dripping.back().hear("\r\n\r\n")), 100);
    dripping.back().say(std::string(9'000, ' '));
  }
  EXPECT_EQ(status_of(dripping[1].hear()), 503) << "9,000 and 9,000 of 16,384 bytes";
  EXPECT_EQ(post(kOther, 9'000), 200);
}

TEST_F(Shares, ALargeBodyWithoutCredentialsIsRefusedBeforeItIsRead) {
  ServerOptions wanted = options();
  wanted.large_bodies_need_credentials = true;
  start(wanted);
  RawSocket stranger(server_->port());
  stranger.say(head("/file", size_t{64} << 20));
  const std::string refused = stranger.hear();
  EXPECT_EQ(status_of(refused), 401);
  EXPECT_NE(refused.find("\"code\":\"login_required\""), std::string::npos) << refused;
  for (const char* credentials : {"Cookie: a=b\r\n", "authorization: Bearer x\r\n"}) {
    RawSocket known(server_->port());
    known.say(head("/file", 20'000, cat(credentials, "Connection: close\r\n")) + std::string(20'000, ' '));
    EXPECT_EQ(status_of(known.hear()), 200) << credentials;
  }
  EXPECT_EQ(post(nullptr, 16 << 10), 200) << "ordinary bodies need none";
}

TEST_F(Shares, OneAddressHasACapOfConnectionsAndLeavesOthersTheirs) {
  ServerOptions wanted = options();
  wanted.max_connections_per_address = 4;
  start(wanted);
  std::vector<RawSocket> idle;
  for (int i = 0; i < 4; ++i)
    idle.emplace_back(server_->port());
  RawSocket fifth(server_->port());
  EXPECT_EQ(status_of(fifth.hear()), 503);
  EXPECT_EQ(post(kOther), 200);
  std::vector<RawSocket> flood;
  for (int i = 0; i < 20; ++i)
    flood.emplace_back(server_->port());
  EXPECT_EQ(flood.back().hear(), "") << "far above it there is no answer";
  EXPECT_TRUE(flood.back().closed());
  EXPECT_EQ(post(kOther), 200);
  idle.clear();
  flood.clear();
  int status = 503;
  for (const test::Patience patience; patience.left() && status != 200;)
    status = post();
  EXPECT_EQ(status, 200) << "closed ones do not count";
}

TEST_F(Shares, AProxyIsNotTakenForOneClient) {
  ServerOptions wanted = options();
  wanted.max_connections_per_address = 4;
  wanted.trusted_proxies = {"127.0.0.1"};
  start(wanted);
  std::vector<RawSocket> idle;
  for (int i = 0; i < 20; ++i)
    idle.emplace_back(server_->port());
  EXPECT_EQ(post(), 200);
}

TEST_F(Shares, DownloadsOfOneClassHaveACapOfTheirOwn) {
  start(options());
  RawSocket first(server_->port());
  first.say("GET /own HTTP/1.1\r\nHost: localhost\r\n\r\n");
  first.hear("xxx");
  RawSocket second(server_->port());
  second.say("GET /own HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string refused = second.hear();
  EXPECT_EQ(status_of(refused), 503);
  EXPECT_NE(refused.find("\"code\":\"overloaded\""), std::string::npos) << refused;
  RawSocket other(server_->port());
  other.say("GET /any HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(status_of(other.hear("xxx")), 200);
}

TEST(RateKey, IsTheSubnetThatOneCustomerHas) {
  EXPECT_EQ(rate_key("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(rate_key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
  EXPECT_EQ(rate_key("2001:db8:1:2::9"), rate_key("2001:DB8:1:2:ffff::"));
  EXPECT_NE(rate_key("2001:db8:1:3::9"), rate_key("2001:db8:1:2::9"));
  EXPECT_EQ(rate_key("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(rate_key("no:address"), "no:address");
}

TEST(Peers, CountsConnectionsByAddressAndForgetsThoseThatLeft) {
  Server server;
  server.start();
  // Two ends of one connection see each other as peers at 127.0.0.1.
  const int one = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{.sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(server.port())), .sin_addr = {}};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(one, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Peers peers({"10.0.0.1", "not an address"});
  std::shared_ptr<Peer> held = peers.join(one);
  EXPECT_TRUE(held->counted);
  EXPECT_EQ(held.use_count(), 1);
  const std::shared_ptr<Peer> again = peers.join(one);
  EXPECT_EQ(again, held);
  EXPECT_EQ(held.use_count(), 2);
  EXPECT_FALSE(Peers({"127.0.0.1"}).join(one)->counted) << "and its table may go before the connection does";
  ::close(one);
  EXPECT_FALSE(peers.join(one)->counted) << "no peer is nobody's share";
}

// The pauses are longer together than the deadline of a body, and each is far shorter than what a piece buys.
TEST_F(Shares, ALargeBodyMayTakeItsTimeAsLongAsItComesSteadily) {
  ServerOptions slow = options();
  slow.body_deadline = 300ms;
  slow.slowest_body_rate = size_t{16} << 10;
  start(slow);
  constexpr size_t kPiece = size_t{8} << 10, kPieces = 10;
  RawSocket steady = half_read(kPieces * kPiece, 0);
  for (size_t i = 0; i < kPieces; ++i) {
    EXPECT_EQ(steady.hear({}, 50ms), "") << "after " << i << " pieces";
    steady.say(std::string(kPiece, ' '));
  }
  EXPECT_EQ(status_of(steady.hear("\r\n\r\n")), 200);
}

TEST_F(Shares, ALargeBodyThatComesTooSlowlyIsCut) {
  ServerOptions slow = options();
  slow.body_deadline = 300ms;
  slow.slowest_body_rate = size_t{1} << 20;
  start(slow);
  RawSocket dripping = half_read(size_t{32} << 20, 0), silent = half_read(size_t{32} << 20, 0);
  std::string heard;
  for (int i = 0; i < 100 && heard.empty(); ++i) {
    dripping.say(std::string(1024, ' '));
    heard = dripping.hear("\r\n\r\n", 50ms);
  }
  EXPECT_EQ(status_of(heard), 408);
  EXPECT_EQ(status_of(silent.hear("\r\n\r\n")), 408) << "announcing much buys nothing";
}

}  // namespace
}  // namespace afina::http
