// SPDX-License-Identifier: Apache-2.0
// Writes event streams to many clients on one thread (epoll, non-blocking): hundreds of open streams cost a socket and
// a place in their source each. A client that left is noticed at once; one that takes nothing is cut. Internal to
// http/.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "http/connection_loop.h"
#include "http/event_reader.h"

namespace afina::http {

struct EventLoopLimits {
  std::chrono::milliseconds heartbeat;       ///< a comment on a stream that was silent for so long
  std::chrono::milliseconds write_deadline;  ///< a client that takes nothing for so long is cut
};

/// A stream that is handed over once its head was written.
struct EventStream {
  std::shared_ptr<EventReader> reader;
  bool chunked = true;    ///< else it ends with the connection
  bool keep = true;       ///< the connection may be kept after the last event
  std::string head = {};  ///< the response's head, where it was not written yet
};

class EventLoop {
 public:
  /// Gets the connection of a stream that was sent to its end.
  using GiveBack = std::function<void(std::unique_ptr<Connection>, bool keep)>;

  /// Throws StorageError where the system gives no descriptors.
  EventLoop(EventLoopLimits limits, GiveBack give_back);
  /// Cuts what is open.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Any thread.
  void adopt(std::unique_ptr<Connection> connection, EventStream stream);
  /// Ends every stream, now and later, with what its reader has at that moment; connections are not kept.
  void drain();
  /// True once no stream is open, false after the deadline.
  bool wait_idle(std::chrono::steady_clock::time_point deadline);

 private:
  struct Client;

  void run();
  void wake() const;
  void ring(uint64_t id);
  void read_mail();
  void watch(std::unique_ptr<Client> client);
  /// Sends what can be sent now; may end the client.
  void pump(Client& client);
  bool refill(Client& client);
  /// False where the client is gone or takes no more now.
  bool flush(Client& client);
  void want_write(Client& client, bool wanted);
  void tick();
  void end(Client& client, bool whole);

  const EventLoopLimits limits_;
  const GiveBack give_back_;
  int epoll_ = -1, wake_ = -1;
  std::unordered_map<uint64_t, std::unique_ptr<Client>> clients_;  // the loop's thread only
  std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<std::unique_ptr<Client>> arrived_;
  std::vector<uint64_t> rung_;
  size_t open_ = 0;
  uint64_t next_id_ = 1;
  std::atomic<bool> draining_{false}, stopping_{false};
  std::thread thread_;
};

}  // namespace afina::http
