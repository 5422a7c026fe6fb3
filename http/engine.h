// SPDX-License-Identifier: Apache-2.0
// The only place of the server that knows cpp-httplib: it accepts sockets and parses and writes messages through it.
// Each message was read whole and checked by our own reader before the library sees it (a second parser, not the
// first).
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/connection_loop.h"
#include "http/event_loop.h"
#include "http/exchange.h"
#include "http/message.h"

namespace afina::http {

class Engine {
 public:
  struct Config {
    std::vector<std::string> trusted_proxies;
    std::chrono::milliseconds write_deadline;
    std::function<void(int socket)> on_accept;
    /// Fills the response for a request; must not throw.
    std::function<void(Request&, Response&)> dispatch;
  };
  Engine(Config config, Watcher& watcher);
  ~Engine();

  /// Returns the port. Throws StorageError.
  int bind(const std::string& host, int port);
  /// Accepts until stop().
  void listen();
  void stop();
  /// Answers the connection's whole request on the calling thread. close: say that the connection ends here.
  struct Served {
    bool keep = false;  ///< the connection may be kept
    /// Where the answer is a stream for the event loop: only its head was written.
    std::optional<EventStream> events;
    /// Where somebody answers later: nothing was written yet.
    std::function<void(Reply)> later;
  };
  Served serve(Connection& connection, bool close);
  /// The head of a response with events, for a connection whose request was served and not answered.
  static std::string head_of_events(const Response& response, bool chunked, bool keep);
  /// Writes a response without a stream to a connection whose request was served. Sends what the socket takes at once;
  /// the bytes that are left come back, "" where all went out, nothing where the client is gone.
  std::optional<std::string> write_now(Connection& connection, const Response& response, bool keep);
  /// The rest of them, under the write deadline; false where the client is gone.
  bool write_rest(Connection& connection, std::string_view bytes);

 private:
  class Library;
  std::unique_ptr<Library> library_;
};

}  // namespace afina::http
