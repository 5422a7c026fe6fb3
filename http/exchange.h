// SPDX-License-Identifier: Apache-2.0
// Requests being answered now, and the one thread that watches their sockets: a client that left trips the stop token,
// a silent event stream gets a heartbeat. Internal to http/.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <stop_token>
#include <thread>

#include "http/message.h"

namespace afina::http {

/// Events over one response. Bytes go out through `write`, which is bounded in time and only called under the mutex.
class StreamWriter final : public SseWriter {
 public:
  StreamWriter(std::function<bool(std::string_view)> write, std::stop_source stop)
      : write_(std::move(write)), stop_(std::move(stop)) {}
  bool send(std::string_view data, std::string_view event, std::string_view id) override;
  std::stop_token stop_token() const override { return stop_.get_token(); }
  /// A comment where nothing was sent for that long and the socket takes it at once.
  void beat(int socket, std::chrono::milliseconds silence);

 private:
  bool write_locked(std::string_view bytes);

  std::mutex mutex_;
  std::function<bool(std::string_view)> write_;
  std::stop_source stop_;
  std::chrono::steady_clock::time_point last_write_ = std::chrono::steady_clock::now();
  bool broken_ = false;
};

/// One request from the moment a worker takes it until its response is written.
struct Exchange {
  int socket = -1;
  std::stop_source stop;
  StreamWriter* stream = nullptr;  ///< set and cleared through Watcher
};

/// Thread-safe.
class Watcher {
 public:
  explicit Watcher(std::chrono::milliseconds heartbeat);
  ~Watcher();
  void add(Exchange& exchange);
  void remove(Exchange& exchange);
  void set_stream(Exchange& exchange, StreamWriter* stream);
  /// Trips the tokens of all streams, now and later.
  void stop_streams();
  /// Trips every token and cuts every socket.
  void abort_all();

 private:
  void run();

  const std::chrono::milliseconds heartbeat_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Exchange*> exchanges_;
  bool stopping_ = false, stop_streams_ = false;
  std::thread thread_;
};

}  // namespace afina::http
