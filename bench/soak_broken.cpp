// SPDX-License-Identifier: Apache-2.0
// Clients that do everything wrong, over plain sockets: half a request, a reset in the middle of an answer, one byte at
// a time, nothing at all.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/uuid.h"
#include "bench/soak_load.h"

namespace afina::bench {
namespace {

class Socket {
 public:
  explicit Socket(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  void say(const std::string& bytes) const { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  bool hear(size_t bytes) const {
    std::string buffer(bytes, '\0');
    return connected_ && ::recv(fd_, buffer.data(), bytes, 0) > 0;
  }
  /// The close becomes a reset.
  void reset() const {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

 private:
  int fd_;
  bool connected_ = false;
};

std::string request_text(const std::string& method, const std::string& path, const std::string& token,
                         const std::string& body, size_t said_bytes) {
  return cat(method, " ", path,
             " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: ", new_uuid(),
             "\r\nAuthorization: Bearer ", token, "\r\nContent-Length: ", said_bytes, "\r\n\r\n", body);
}

/// A program that takes part, over the API, and can ask for an answer by hand.
struct Visitor {
  explicit Visitor(const Load& load) {
    http::ClientOptions options;
    options.base_url = load.address;
    const http::Client client(options);
    const Json text = client.get_json("/api/consent/es");
    token = client
                .post_json("/api/visits", {{"locale", "es"},
                                           {"consent_version", text.at("version")},
                                           {"consent_sha256", text.at("sha256")},
                                           {"purposes", {"collect"}},
                                           {"adult", true},
                                           {"kind", "demo"}})
                .at("session_token");
    http::Headers headers;
    headers.set("Authorization", "Bearer " + token);
    headers.set("Idempotency-Key", new_uuid());
    conversation = client.request("POST", "/api/conversations", "{}", headers).json().at("id");
  }
  std::string ask_text(const std::string& text) const {
    const std::string body = dump_json(Json{{"text", text}, {"answers", 1}});
    return request_text("POST", cat("/api/conversations/", conversation, "/messages"), token, body, body.size());
  }
  std::string token, conversation;
};

void break_off_once(const Load& load, size_t way, std::deque<Socket>& idle) {
  Socket socket(load.port);
  switch (way % 7) {
    case 0:
      return socket.say("GET /api/cons");
    case 1:
      socket.say(request_text("POST", "/api/visits", "x", "{\"locale\":", 4000));
      return socket.reset();
    case 2:
      socket.say(Visitor(load).ask_text("me voy"));
      socket.hear(64);
      return socket.reset();
    case 3:
      socket.say(Visitor(load).ask_text("leo despacio"));
      for (int i = 0; i < 50 && socket.hear(1); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return;
    case 4:
      socket.say(std::string(2000, '\x16') + "\r\n\r\n");
      socket.hear(64);
      return;
    case 5:
      socket.say("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
      return socket.reset();
    default:
      idle.push_back(std::move(socket));
      if (idle.size() > 8) idle.pop_front();
  }
}

template <typename F>
void every(std::chrono::milliseconds pace, Load& load, const char* name, const std::stop_token& stop, F&& act) {
  std::mutex mutex;
  std::condition_variable_any never;
  while (!stop.stop_requested()) {
    try {
      act();
      load.done.count(name);
    } catch (const std::exception& error) {
      load.errors.count(cat(name, ": ", std::string(error.what()).substr(0, 160)));
    }
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, pace, [] { return false; });
  }
}

}  // namespace

void break_off(Load& load, const std::stop_token& stop) {
  std::deque<Socket> idle;
  size_t way = 0;
  every(std::chrono::milliseconds(25), load, "broken", stop, [&] { break_off_once(load, way++, idle); });
}

void never_leave(Load& load, const std::stop_token& stop) {
  std::vector<Socket> kept;
  every(std::chrono::milliseconds(30), load, "left open", stop,
        [&] { kept.emplace_back(load.port).say(Visitor(load).ask_text(kEndless)); });
}

}  // namespace afina::bench
