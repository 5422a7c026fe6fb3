// SPDX-License-Identifier: Apache-2.0
#include "bench/vote_clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
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

/// A kept connection that posts one vote at a time; reads as little of HTTP as our own answers need.
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

  int descriptor() const { return fd_; }
  void post(const Act& act, int number, Clock::time_point due) {
    number_ = number;
    due_ = due;
    heard_.clear();
    const std::string body = cat("{\"exposure\":\"", act.exposure, "\",\"outcome\":", act.grade,
                                 ",\"reason\":\"clear\",\"ms_to_decide\":4000}");
    const std::string bytes = cat(
        "POST /api/votes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer ",
        act.session_token, "\r\nIdempotency-Key: ", new_uuid(), "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
    // A request is smaller than any socket's buffer.
    if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      throw StorageError("[bench] the server closed the connection");
  }
  /// True once the answer is whole: it must be 201.
  bool receive() {
    char block[4096];
    const ssize_t n = ::recv(fd_, block, sizeof block, 0);
    if (n <= 0) throw StorageError("[bench] the server closed the connection");
    heard_.append(block, static_cast<size_t>(n));
    const size_t head = heard_.find("\r\n\r\n"), length = heard_.find("Content-Length: ");
    if (head == std::string::npos || length == std::string::npos || length > head) return false;
    if (heard_.size() < head + 4 + std::stoul(heard_.substr(length + 16, 12))) return false;
    if (!heard_.starts_with("HTTP/1.1 201")) throw StorageError(cat("[bench] a vote was answered ", heard_));
    return true;
  }
  int number() const { return number_; }
  double waited_ms() const { return std::chrono::duration<double, std::milli>(Clock::now() - due_).count(); }

 private:
  int fd_ = -1, number_ = 0;
  Clock::time_point due_;
  std::string heard_;
};

/// Many connections on one thread, as pgbench holds its own: the client's share of the machine is small.
class Crowd {
 public:
  Crowd(int port, int clients) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (int i = 0; i < clients; ++i) {
      connections_.push_back(std::make_unique<VoteConnection>(port));
      epoll_event event{.events = EPOLLIN, .data = {.ptr = connections_.back().get()}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back()->descriptor(), &event);
      idle_.push_back(connections_.back().get());
    }
  }
  ~Crowd() { ::close(epoll_); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  /// `count` votes; rate > 0: the i-th is due i / rate seconds after the start, and its time counts from then.
  Load run(int count, double rate, const std::function<Act(int)>& act_of) {
    std::vector<double> ms(static_cast<size_t>(count));
    const Clock::time_point start = Clock::now();
    for (int next = 0, done = 0; done < count;) {
      Clock::time_point due = Clock::now();
      for (; next < count && !idle_.empty(); ++next) {
        const Clock::time_point now = Clock::now();
        due = rate > 0 ? start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(next / rate))
                       : now;
        if (due > now) break;
        idle_.back()->post(act_of(next), next, due);
        idle_.pop_back();
      }
      const bool early = rate > 0 && next < count && !idle_.empty();
      epoll_event events[64];
      const int ready = wait(events, early ? due - Clock::now() : std::chrono::seconds(10));
      if (ready == 0 && !early) throw StorageError("[bench] no vote was answered for 10 s");
      for (int i = 0; i < ready; ++i) {
        auto* connection = static_cast<VoteConnection*>(events[i].data.ptr);
        if (!connection->receive()) continue;
        ms[static_cast<size_t>(connection->number())] = connection->waited_ms();
        idle_.push_back(connection);
        ++done;
      }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::sort(ms.begin(), ms.end());
    return {count / seconds, ms[ms.size() / 2], ms[ms.size() * 99 / 100], ms.back()};
  }

 private:
  int wait(epoll_event (&events)[64], Clock::duration time) const {
    const auto left = std::max(time, Clock::duration::zero());
    const timespec limit{.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(left).count(),
                         .tv_nsec = std::chrono::nanoseconds(left % std::chrono::seconds(1)).count()};
    return ::epoll_pwait2(epoll_, events, 64, &limit, nullptr);
  }
  int epoll_;
  std::vector<std::unique_ptr<VoteConnection>> connections_;
  std::vector<VoteConnection*> idle_;
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
  Crowd crowd(collector.port(), clients);
  // A collector that has just begun starts threads, connections and plans: the first votes of everybody are not timed.
  crowd.run(kWarmUp, 0, act_of);
  return crowd.run(count, rate, [&](int i) { return act_of(kWarmUp + i); });
}

}  // namespace afina::bench
