// SPDX-License-Identifier: Apache-2.0
#include "bench/vote_clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cat.h"
#include "base/error.h"
#include "base/uuid.h"
#include "collector/collector.h"

namespace afina::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// A kept connection that posts votes; reads as little of HTTP as our own answers need.
class VoteConnection {
 public:
  explicit VoteConnection(int port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw StorageError("[bench] cannot connect");
  }
  ~VoteConnection() { ::close(fd_); }
  VoteConnection(const VoteConnection&) = delete;
  VoteConnection& operator=(const VoteConnection&) = delete;

  void post(const Act& act) {
    const std::string body = cat("{\"exposure\":\"", act.exposure, "\",\"outcome\":", act.grade,
                                 ",\"reason\":\"clear\",\"ms_to_decide\":4000}");
    send_all(cat(
        "POST /api/votes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer ",
        act.session_token, "\r\nIdempotency-Key: ", new_uuid(), "\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    const std::string answer = receive();
    if (!answer.starts_with("HTTP/1.1 201")) throw StorageError(cat("[bench] a vote was answered ", answer));
  }

 private:
  void send_all(const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) throw StorageError("[bench] the server closed the connection");
      sent += static_cast<size_t>(n);
    }
  }
  std::string receive() {
    std::string bytes;
    char block[4096];
    for (;;) {
      const ssize_t n = ::recv(fd_, block, sizeof block, 0);
      if (n <= 0) throw StorageError("[bench] the server closed the connection");
      bytes.append(block, static_cast<size_t>(n));
      const size_t head = bytes.find("\r\n\r\n"), length = bytes.find("Content-Length: ");
      if (head == std::string::npos || length == std::string::npos || length > head) continue;
      if (bytes.size() >= head + 4 + std::stoul(bytes.substr(length + 16, 12))) return bytes;
    }
  }
  int fd_ = -1;
};

}  // namespace

Load run_load(int clients, int count, double rate, const std::function<void(int, int)>& act) {
  std::vector<double> ms(static_cast<size_t>(count));
  std::atomic<int> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const Clock::time_point start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (int client = 0; client < clients; ++client) {
      threads.emplace_back([&, client] {
        try {
          for (int i = next++; i < count; i = next++) {
            Clock::time_point due = Clock::now();
            if (rate > 0) {
              due = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(i / rate));
              std::this_thread::sleep_until(due);
            }
            act(client, i);
            ms[static_cast<size_t>(i)] = std::chrono::duration<double, std::milli>(Clock::now() - due).count();
          }
        } catch (...) {
          const std::lock_guard lock(mutex);
          failure = std::current_exception();
          next = count;
        }
      });
    }
  }
  if (failure) std::rethrow_exception(failure);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::sort(ms.begin(), ms.end());
  return {count / seconds, ms[ms.size() / 2], ms[ms.size() * 99 / 100], ms.back()};
}

Load run_http_load(storage::Database& database, int clients, int count, double rate,
                   const std::function<Act(int)>& act_of) {
  collector::CollectorConfig config;
  config.port = 0;
  config.acts_per_minute = config.messages_per_minute = 0;
  config.upstreams.push_back({.name = "none", .base_url = "http://127.0.0.1:9"});
  collector::Collector collector(config, database);
  collector.start();
  std::vector<std::unique_ptr<VoteConnection>> connections;
  for (int i = 0; i < clients; ++i)
    connections.push_back(std::make_unique<VoteConnection>(collector.port()));
  return run_load(clients, count, rate,
                  [&](int client, int i) { connections[static_cast<size_t>(client)]->post(act_of(i)); });
}

}  // namespace afina::bench
