// SPDX-License-Identifier: Apache-2.0
#include "http/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/error.h"
#include "base/log.h"

namespace afina::http {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTick{250};
constexpr size_t kPortion = 16 * 1024;
/// Portions a client may get before the others have their turn.
constexpr int kRounds = 4;

std::string chunk(std::string_view bytes) {
  std::array<char, 20> size;
  const auto [end, error] = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16);
  std::string out(size.data(), end);
  return out.append("\r\n").append(bytes).append("\r\n");
}

}  // namespace

struct EventLoop::Client {
  uint64_t id = 0;
  std::unique_ptr<Connection> connection;
  EventStream stream;
  /// Set while a ring waits in the mail: a busy source fills no mailbox.
  std::atomic<bool> rung{false};
  std::string out;
  size_t sent = 0;
  bool ended = false, waits_for_socket = false;
  Clock::time_point last_write = Clock::now();  ///< of anything, for the heartbeat
  Clock::time_point stuck_since;                ///< valid while `out` is not empty
};

EventLoop::EventLoop(EventLoopLimits limits, GiveBack give_back) : limits_(limits), give_back_(std::move(give_back)) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    ::close(epoll_);
    ::close(wake_);
    throw StorageError("[http server] must get file descriptors, but the system gives none.");
  }
  thread_ = std::thread([this] { run(); });
}

EventLoop::~EventLoop() {
  stopping_ = true;
  wake();
  thread_.join();
  // Readers may ring until they are gone, and ring needs the mutex.
  clients_.clear();
  arrived_.clear();
  ::close(epoll_);
  ::close(wake_);
}

void EventLoop::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

void EventLoop::adopt(std::unique_ptr<Connection> connection, EventStream stream) {
  auto client = std::make_unique<Client>();
  client->connection = std::move(connection);
  client->stream = std::move(stream);
  client->out = std::move(client->stream.head);
  client->stuck_since = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    client->id = next_id_++;
    arrived_.push_back(std::move(client));
    ++open_;
  }
  wake();
}

void EventLoop::drain() {
  draining_ = true;
  wake();
}

bool EventLoop::wait_idle(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, deadline, [&] { return open_ == 0; });
}

void EventLoop::run() {
  std::array<epoll_event, 64> events;
  Clock::time_point next_tick = Clock::now() + kTick;
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(kTick.count()));
    bool mail = false;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == 0) {
        mail = true;
        continue;
      }
      const auto found = clients_.find(events[i].data.u64);
      if (found == clients_.end()) continue;
      if ((events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        end(*found->second, false);
      } else {
        pump(*found->second);
      }
    }
    if (mail) read_mail();
    if (Clock::now() >= next_tick || draining_) {
      tick();
      next_tick = Clock::now() + kTick;
    }
  }
}

void EventLoop::ring(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    rung_.push_back(id);
    if (rung_.size() > 1) return;  // whoever put the first one has woken the loop
  }
  wake();
}

void EventLoop::read_mail() {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
  std::vector<std::unique_ptr<Client>> arrived;
  std::vector<uint64_t> rung;
  {
    const std::lock_guard lock(mutex_);
    arrived.swap(arrived_);
    rung.swap(rung_);
  }
  for (auto& client : arrived)
    watch(std::move(client));
  for (const uint64_t id : rung) {
    const auto found = clients_.find(id);
    if (found != clients_.end()) pump(*found->second);
  }
}

void EventLoop::watch(std::unique_ptr<Client> arrived) {
  Client& client = *arrived;
  clients_.emplace(client.id, std::move(arrived));
  // Only the end of what the client says is of interest: a request it sends ahead waits in the socket.
  epoll_event event{.events = EPOLLRDHUP, .data = {.u64 = client.id}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, client.connection->fd, &event) != 0) return end(client, false);
  client.stream.reader->on_news([this, &client] {
    if (!client.rung.exchange(true)) ring(client.id);
  });
  pump(client);
}

void EventLoop::pump(Client& client) {
  client.rung = false;  // before the pull: what comes after it rings again
  for (int round = 0; round < kRounds; ++round) {
    if (client.sent == client.out.size() && !refill(client)) return;
    if (!flush(client)) return;
    if (client.ended) return end(client, true);
  }
  if (!client.rung.exchange(true)) ring(client.id);
}

bool EventLoop::refill(Client& client) {
  client.out.clear();
  client.sent = 0;
  std::string events;
  try {
    client.ended = !client.stream.reader->pull(events, kPortion) || draining_;
  } catch (const std::exception& error) {
    log_error("http", "an event stream broke off: ", error.what());
    end(client, false);
    return false;
  }
  if (!client.stream.chunked) {
    client.out = std::move(events);
  } else if (!events.empty()) {
    client.out = chunk(events);
  }
  if (client.ended && client.stream.chunked) client.out += "0\r\n\r\n";
  if (client.out.empty() && !client.ended) {
    want_write(client, false);
    return false;
  }
  client.stuck_since = Clock::now();
  return true;
}

bool EventLoop::flush(Client& client) {
  while (client.sent < client.out.size()) {
    const ssize_t sent = ::send(client.connection->fd, client.out.data() + client.sent, client.out.size() - client.sent,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      client.sent += static_cast<size_t>(sent);
      client.last_write = client.stuck_since = Clock::now();
    } else if (sent < 0 && errno == EINTR) {
      continue;
    } else if (sent < 0 && errno == EAGAIN) {
      want_write(client, true);
      return false;
    } else {
      end(client, false);
      return false;
    }
  }
  // A burst's memory is given back: most streams are silent most of the time.
  client.out = {};
  client.sent = 0;
  return true;
}

void EventLoop::want_write(Client& client, bool wanted) {
  if (client.waits_for_socket == wanted) return;
  client.waits_for_socket = wanted;
  epoll_event event{.events = EPOLLRDHUP | (wanted ? uint32_t{EPOLLOUT} : 0), .data = {.u64 = client.id}};
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, client.connection->fd, &event);
}

void EventLoop::tick() {
  const Clock::time_point now = Clock::now();
  std::vector<Client*> clients;
  for (const auto& [id, client] : clients_)
    clients.push_back(client.get());
  for (Client* client : clients) {
    const bool pending = client->sent < client->out.size();
    if (pending && now - client->stuck_since > limits_.write_deadline) {
      end(*client, false);
    } else if (!pending && draining_) {
      pump(*client);
    } else if (!pending && now - client->last_write >= limits_.heartbeat) {
      client->out = client->stream.chunked ? chunk(":\n\n") : ":\n\n";
      client->stuck_since = now;
      flush(*client);
    }
  }
}

void EventLoop::end(Client& client, bool whole) {
  const auto found = clients_.find(client.id);
  const std::unique_ptr<Client> owned = std::move(found->second);
  clients_.erase(found);
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, owned->connection->fd, nullptr);
  owned->stream.reader.reset();  // after this nobody rings for it
  if (whole) give_back_(std::move(owned->connection), owned->stream.chunked && owned->stream.keep && !draining_);
  owned->connection.reset();
  const std::lock_guard lock(mutex_);
  if (--open_ == 0) idle_.notify_all();
}

}  // namespace afina::http
