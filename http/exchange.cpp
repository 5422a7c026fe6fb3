// SPDX-License-Identifier: Apache-2.0
#include "http/exchange.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "http/sse.h"

namespace afina::http {
namespace {

constexpr std::chrono::milliseconds kLook{250};

bool peer_has_left(int socket) {
  char byte;
  const ssize_t got = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace

bool StreamWriter::write_locked(std::string_view bytes) {
  if (broken_) return false;
  broken_ = !write_(bytes);
  last_write_ = std::chrono::steady_clock::now();
  if (broken_) stop_.request_stop();
  return !broken_;
}

bool StreamWriter::send(std::string_view data, std::string_view event, std::string_view id) {
  const std::string bytes = format_sse_event(data, event, id);
  std::lock_guard lock(mutex_);
  return write_locked(bytes);
}

void StreamWriter::beat(int socket, std::chrono::milliseconds silence) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || std::chrono::steady_clock::now() - last_write_ < silence) return;
  pollfd descriptor{.fd = socket, .events = POLLOUT, .revents = 0};
  if (::poll(&descriptor, 1, 0) == 1 && (descriptor.revents & POLLOUT) != 0) write_locked(":\n\n");
}

Watcher::Watcher(std::chrono::milliseconds heartbeat) : heartbeat_(heartbeat), thread_([this] { run(); }) {}

Watcher::~Watcher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Watcher::add(Exchange& exchange) {
  std::lock_guard lock(mutex_);
  exchanges_.push_back(&exchange);
}

void Watcher::remove(Exchange& exchange) {
  std::lock_guard lock(mutex_);
  exchanges_.remove(&exchange);
}

void Watcher::set_stream(Exchange& exchange, StreamWriter* stream) {
  std::lock_guard lock(mutex_);
  exchange.stream = stream;
  if (stream != nullptr && stop_streams_) exchange.stop.request_stop();
}

void Watcher::stop_streams() {
  std::lock_guard lock(mutex_);
  stop_streams_ = true;
  for (Exchange* exchange : exchanges_) {
    if (exchange->stream != nullptr) exchange->stop.request_stop();
  }
}

void Watcher::abort_all() {
  std::lock_guard lock(mutex_);
  for (Exchange* exchange : exchanges_) {
    exchange->stop.request_stop();
    ::shutdown(exchange->socket, SHUT_RDWR);
  }
}

void Watcher::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kLook, [&] { return stopping_; })) {
    for (Exchange* exchange : exchanges_) {
      if (peer_has_left(exchange->socket)) exchange->stop.request_stop();
      if (exchange->stream != nullptr) exchange->stream->beat(exchange->socket, heartbeat_);
    }
  }
}

}  // namespace afina::http
