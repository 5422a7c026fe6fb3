// SPDX-License-Identifier: Apache-2.0
// A server that says exactly what a test wrote, for probing clients.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/cat.h"
#include "http/client.h"
#include "tests/http/raw_socket.h"

namespace afina::http {

/// Accepts connections one after the other; each gets the next script, the last one for ever.
class ScriptedServer {
 public:
  using Script = std::function<void(test::RawSocket&)>;
  explicit ScriptedServer(std::vector<Script> scripts) : scripts_(std::move(scripts)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 16) != 0)
      throw std::runtime_error("a test's own server cannot listen");
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      for (int fd; (fd = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        test::RawSocket socket(fd, nullptr);
        socket.hear("\r\n\r\n");
        scripts_[std::min<size_t>(calls_++, scripts_.size() - 1)](socket);
      }
    });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  int calls() const { return calls_; }
  ClientOptions options() const {
    ClientOptions options;
    options.base_url = cat("http://127.0.0.1:", port_);
    options.read_deadline = std::chrono::milliseconds(200);
    options.total_deadline = std::chrono::milliseconds(1'000);
    options.first_backoff = std::chrono::milliseconds(5);
    options.max_response_bytes = 100'000;
    return options;
  }

 private:
  std::vector<Script> scripts_;
  int listener_ = -1, port_ = 0;
  std::atomic<int> calls_{0};
  std::thread thread_;
};

inline ScriptedServer::Script says(std::string bytes) {
  return [bytes](test::RawSocket& socket) { socket.say(bytes); };
}

inline std::string answer(int status, const std::string& body, const std::string& headers = "") {
  return cat("HTTP/1.1 ", status, " X\r\nContent-Length: ", body.size(), "\r\nConnection: close\r\n", headers, "\r\n",
             body);
}

inline std::string events(const std::string& body) {
  return cat("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n", body);
}

}  // namespace afina::http
