// SPDX-License-Identifier: Apache-2.0
// Responses whose length nobody knows before: whole, cut, capped, and in bounded memory and time.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <thread>

#include "http/client.h"
#include "http/server.h"
#include "tests/http/raw_socket.h"

namespace afina::http {
namespace {

using namespace std::chrono_literals;
using test::RawSocket;
using test::status_of;

class BodyStream : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.route("GET", "/lines", [](const Request& q, Response& r) {
      const int lines = std::stoi(q.query_value("n").value_or("3"));
      r.stream_body("application/jsonl", [lines](BodyWriter& writer) {
        for (int i = 0; i < lines; ++i) {
          if (!writer.write(cat("{\"i\":", i, "}\n"))) return;
        }
      });
    });
    server_.route("GET", "/broken", [](const Request&, Response& r) {
      r.stream_body("text/plain", [](BodyWriter& writer) {
        writer.write("secret half");
        throw std::runtime_error("secret words");
      });
    });
    server_.route("GET", "/endless", [this](const Request&, Response& r) {
      r.stream_body("text/plain", [this](BodyWriter& writer) {
        begun_.fetch_add(1);
        const std::string bytes(100'000, 'x');
        while (writer.write(bytes))
          written_ += bytes.size();
        const std::lock_guard lock(mutex_);
        ++ended_;
        changed_.notify_all();
      });
    });
    server_.start();
  }
  std::string ask(const std::string& line, const std::string& version = "HTTP/1.1") {
    RawSocket socket(server_.port());
    socket.say(cat(line, " ", version, "\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    return socket.hear();
  }
  bool eventually_ended(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 5s, [&] { return ended_ >= count; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int ended_ = 0;
  std::atomic<int> begun_{0};
  std::atomic<size_t> written_{0};
  Server server_{[] {
    ServerOptions options;
    options.max_bodies = 2;
    options.write_deadline = 300ms;
    return options;
  }()};
};

TEST_F(BodyStream, ComesChunkedWithItsTypeAndEndsWithTheLastChunk) {
  const std::string answer = ask("GET /lines");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_NE(answer.find("Content-Type: application/jsonl"), std::string::npos);
  EXPECT_NE(answer.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_NE(answer.find("\r\n18\r\n{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n\r\n0\r\n\r\n"), std::string::npos) << answer;
}

TEST_F(BodyStream, OldClientsGetItUntilTheConnectionCloses) {
  const std::string answer = ask("GET /lines", "HTTP/1.0");
  EXPECT_EQ(answer.find("Transfer-Encoding"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n")) << answer;
}

TEST_F(BodyStream, HeadAndNothingAtAllAreWhole) {
  EXPECT_TRUE(ask("HEAD /lines").ends_with("\r\n\r\n"));
  EXPECT_TRUE(ask("GET /lines?n=0").ends_with("\r\n\r\n0\r\n\r\n"));
}

TEST_F(BodyStream, AHundredThousandLinesArriveAsWritten) {
  const ClientResponse got = Client({.base_url = server_.address()}).get("/lines?n=100000");
  EXPECT_EQ(std::count(got.body.begin(), got.body.end(), '\n'), 100'000);
  EXPECT_TRUE(got.body.ends_with("{\"i\":99999}\n"));
}

TEST_F(BodyStream, OneThatBreaksIsNotTakenForTheWhole) {
  const std::string answer = ask("GET /broken");
  EXPECT_FALSE(answer.ends_with("0\r\n\r\n")) << answer;
  EXPECT_EQ(answer.find("secret words"), std::string::npos);
  EXPECT_THROW(Client({.base_url = server_.address(), .max_retries = 0}).get("/broken"), UpstreamError);
}

TEST_F(BodyStream, ThoseAboveTheCapGet503AndAnEndedOneGivesItsPlaceBack) {
  std::vector<RawSocket> sockets;
  for (int i = 0; i < 2; ++i) {
    sockets.emplace_back(server_.port());
    sockets.back().say("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    sockets.back().hear("xxx");
  }
  const std::string third = ask("GET /lines");
  EXPECT_EQ(status_of(third), 503);
  EXPECT_NE(third.find("Retry-After"), std::string::npos);
  sockets.clear();
  ASSERT_TRUE(eventually_ended(2));
  // The place is freed just after the writer has ended; nobody is told.
  int status = 0;
  for (int i = 0; i < 100 && status != 200; ++i)
    status = status_of(ask("GET /lines"));
  EXPECT_EQ(status, 200);
}

TEST_F(BodyStream, AReaderThatStopsReadingIsCutAndNothingPilesUp) {
  RawSocket stuck(server_.port());
  stuck.say("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(eventually_ended(1));
  EXPECT_LT(written_.load(), size_t{16} << 20) << "what the system's socket buffers take, no more";
}

}  // namespace
}  // namespace afina::http
