// SPDX-License-Identifier: Apache-2.0
#include "http/connection_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace afina::http {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTick{50};
constexpr std::chrono::milliseconds kLinger{1'000};
constexpr size_t kLingerBytes = size_t{64} << 20;

}  // namespace

Connection::~Connection() {
  ::close(fd);
}

ConnectionLoop::ConnectionLoop(LoopLimits limits, Callbacks callbacks)
    : limits_(std::move(limits)),
      callbacks_(std::move(callbacks)),
      peers_(limits_.uncounted_addresses),
      shares_(limits_.bodies) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    ::close(epoll_);
    ::close(wake_);
    throw StorageError("[http server] must get file descriptors, but the system gives none.");
  }
  thread_ = std::thread([this] { run(); });
}

ConnectionLoop::~ConnectionLoop() {
  stopping_ = true;
  wake();
  thread_.join();
  watched_.clear();
  mail_.clear();
  ::close(epoll_);
  ::close(wake_);
}

void ConnectionLoop::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

void ConnectionLoop::adopt(int socket) {
  auto connection = std::make_unique<Connection>(socket);
  connection->peer = peers_.join(socket);
  if (const size_t most = limits_.max_connections_per_address; most > 0 && connection->peer->counted) {
    const size_t open = static_cast<size_t>(connection->peer.use_count());
    if (open > 2 * most) return;  // not even a refusal
    connection->crowded = open > most;
  }
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
  connection->deadline = Clock::now() + limits_.idle_deadline;
  give_back(std::move(connection), true);
}

void ConnectionLoop::give_back(std::unique_ptr<Connection> connection, bool keep) {
  {
    std::lock_guard lock(mail_mutex_);
    mail_.push_back({std::move(connection), keep});
    if (mail_.size() > 1) return;  // whoever put the first one has woken the loop
  }
  wake();
}

void ConnectionLoop::drain() {
  draining_ = true;
  wake();
}

void ConnectionLoop::run() {
  std::array<epoll_event, 64> events;
  Clock::time_point next_expiry = Clock::now() + kTick;
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(kTick.count()));
    bool mail = false;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == nullptr) {
        mail = true;
      } else {
        on_readable(static_cast<Connection*>(events[i].data.ptr));
      }
    }
    // After the events: a connection that comes back may reuse the address of one that an event still names.
    if (mail) read_mail();
    if (Clock::now() >= next_expiry) {
      expire();
      next_expiry = Clock::now() + kTick;
    }
  }
}

void ConnectionLoop::read_mail() {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
  std::vector<Mail> mail;
  {
    std::lock_guard lock(mail_mutex_);
    mail.swap(mail_);
  }
  for (Mail& letter : mail) {
    Connection* connection = letter.connection.get();
    const bool busy = watched_.size() >= limits_.max_connections;
    if (watched_.size() >= 2 * limits_.max_connections) continue;  // not even a refusal: the letter's end closes it
    watch(std::move(letter.connection));
    if (busy || connection->crowded) {
      refuse(connection, {503, busy ? "Too many connections are open." : "Too many connections of one address."});
    } else if (!letter.keep || draining_) {
      linger(connection);
    } else {
      connection->state = Connection::State::head;
      connection->deadline =
          Clock::now() + (connection->buffer.empty() ? limits_.idle_deadline : limits_.head_deadline);
      advance(connection);
    }
  }
}

void ConnectionLoop::watch(std::unique_ptr<Connection> connection) {
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.ptr = connection.get()}};
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event) != 0) connection->deadline = {};
  watched_.push_back(std::move(connection));
  watched_.back()->place = std::prev(watched_.end());
}

std::unique_ptr<Connection> ConnectionLoop::take(Connection* connection) {
  hold(connection, 0);
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, connection->fd, nullptr);
  std::unique_ptr<Connection> owned = std::move(*connection->place);
  watched_.erase(owned->place);
  return owned;
}

void ConnectionLoop::forget(Connection* connection) {
  take(connection);
}

void ConnectionLoop::on_readable(Connection* connection) {
  std::array<char, 16 * 1024> bytes;
  // A few reads an event: fast clients fill whole bodies, and none can hold the loop.
  for (int round = 0; round < 4; ++round) {
    size_t wanted = bytes.size();
    if (connection->state == Connection::State::head) {
      wanted = std::min(wanted, limits_.max_head_bytes - connection->buffer.size());
    } else if (connection->state == Connection::State::body) {
      wanted = std::min(wanted, connection->request.head.content_length - connection->buffer.size());
    }
    const ssize_t got = ::recv(connection->fd, bytes.data(), wanted, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return forget(connection);
    if (connection->state == Connection::State::lingering) {
      connection->discarded += static_cast<size_t>(got);
      if (connection->discarded > kLingerBytes) return forget(connection);
      continue;
    }
    if (connection->state == Connection::State::head && connection->buffer.empty()) {
      connection->deadline = Clock::now() + limits_.head_deadline;
    }
    // What is announced buys no time: only what came does.
    if (connection->state == Connection::State::body && limits_.slowest_body_rate > 0) {
      connection->deadline += std::chrono::nanoseconds(std::chrono::seconds(1)) * got / limits_.slowest_body_rate;
    }
    connection->buffer.append(bytes.data(), static_cast<size_t>(got));
    if (!advance(connection)) return;
  }
}

bool ConnectionLoop::advance(Connection* connection) {
  if (connection->state == Connection::State::head && !take_head(connection)) {
    return connection->state == Connection::State::head;
  }
  if (connection->buffer.size() >= connection->request.head.content_length) return hand_over(connection);
  if (!hold(connection, connection->buffer.size())) refuse(connection, {503, "Too many bodies are being read."});
  return true;
}

bool ConnectionLoop::take_head(Connection* connection) {
  auto read = read_head(connection->buffer, limits_.max_head_bytes);
  if (!read) return false;
  if (const auto* fault = std::get_if<HeadFault>(&*read)) {
    refuse(connection, *fault);
    return false;
  }
  RequestHead& head = std::get<RequestHead>(*read);
  if (head.content_length > 0) {
    if (const auto fault = callbacks_.check_body(head)) {
      refuse(connection, *fault);
      return false;
    }
  }
  connection->buffer.erase(0, head.wire_bytes);
  if (head.content_length > connection->buffer.size()) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    if (head.expects_continue) ::send(connection->fd, kContinue.data(), kContinue.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  connection->request.head = std::move(head);
  connection->state = Connection::State::body;
  connection->deadline = Clock::now() + limits_.body_deadline;
  return true;
}

bool ConnectionLoop::hand_over(Connection* connection) {
  const size_t size = connection->request.head.content_length;
  if (connection->buffer.size() == size) {
    connection->request.body = std::exchange(connection->buffer, {});
  } else {
    connection->request.body = connection->buffer.substr(0, size);
    connection->buffer.erase(0, size);
  }
  std::unique_ptr<Connection> owned = take(connection);
  if (callbacks_.serve(owned)) return false;
  watch(std::move(owned));
  refuse(connection, {503, "The server is busy."});
  return true;
}

void ConnectionLoop::refuse(Connection* connection, const HeadFault& fault) {
  HeadFault told = fault;
  if (connection->state == Connection::State::body) told.path = connection->request.head.path;
  const std::string response = callbacks_.refusal(told);
  ::send(connection->fd, response.data(), response.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  linger(connection);
}

// Closing with unread bytes would reset the connection and could take the answer away from a client that still sends.
void ConnectionLoop::linger(Connection* connection) {
  ::shutdown(connection->fd, SHUT_WR);
  hold(connection, 0);
  connection->state = Connection::State::lingering;
  connection->deadline = Clock::now() + kLinger;
  connection->buffer = {};
  connection->request = {};
}

void ConnectionLoop::expire() {
  const Clock::time_point now = Clock::now();
  for (auto it = watched_.begin(); it != watched_.end();) {
    Connection* connection = (it++)->get();
    const bool idle = connection->state == Connection::State::head && connection->buffer.empty();
    if (idle && draining_) {
      forget(connection);
    } else if (now < connection->deadline) {
      continue;
    } else if (idle || connection->state == Connection::State::lingering) {
      forget(connection);
    } else {
      refuse(connection, {408, "The request did not arrive in time."});
    }
  }
}

bool ConnectionLoop::hold(Connection* connection, size_t bytes) {
  if (bytes == connection->held) return true;
  const bool large = shares_.is_large(connection->request.head.content_length);
  if (!shares_.hold(*connection->peer, large, connection->held, bytes)) return false;
  connection->held = bytes;
  return true;
}

}  // namespace afina::http
