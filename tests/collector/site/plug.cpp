// SPDX-License-Identifier: Apache-2.0
#include "tests/collector/site/plug.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

#include "base/cat.h"

namespace afina::collector {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int socket, const char* data, ssize_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket, data, static_cast<size_t>(size), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= sent;
  }
  return true;
}

}  // namespace

Plug::Plug(int server_port) : server_port_(server_port) {
  plug_in();
}

Plug::~Plug() {
  pull();
}

std::string Plug::address() const {
  return cat("http://127.0.0.1:", port_);
}

void Plug::plug_in() {
  if (thread_.joinable()) return;
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address = loopback(port_);
  socklen_t size = sizeof address;
  const bool listens = ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                       ::listen(listener_, 64) == 0 &&
                       ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (!listens) {
    ::close(listener_);
    throw std::runtime_error(cat("[plug] port ", port_, " could not be taken"));
  }
  port_ = ntohs(address.sin_port);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { run(); });
}

void Plug::pull() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_, 1);
  thread_.join();
  for (const auto& [one, other] : peers_)
    ::close(one);
  peers_.clear();
  ::close(listener_);
  ::close(stop_);
}

void Plug::accept_one() {
  const int browser = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (browser < 0) return;
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(server_port_);
  if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(browser);
    ::close(server);
    return;
  }
  peers_[browser] = server;
  peers_[server] = browser;
}

void Plug::end_both(int one) {
  const int other = peers_.at(one);
  for (const int end : {one, other}) {
    ::close(end);
    peers_.erase(end);
  }
}

void Plug::run() {
  std::vector<char> piece(65536);
  for (;;) {
    std::vector<pollfd> waiting{{stop_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& [one, other] : peers_)
      waiting.push_back({one, POLLIN, 0});
    ::poll(waiting.data(), waiting.size(), -1);
    if (waiting[0].revents != 0) return;
    for (size_t i = 2; i < waiting.size(); ++i) {
      const int from = waiting[i].fd;
      if (waiting[i].revents == 0 || !peers_.contains(from)) continue;
      const ssize_t got = ::recv(from, piece.data(), piece.size(), 0);
      if (got <= 0 || !send_all(peers_.at(from), piece.data(), got)) end_both(from);
    }
    if (waiting[1].revents != 0) accept_one();
  }
}

}  // namespace afina::collector
