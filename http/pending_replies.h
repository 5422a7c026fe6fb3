// SPDX-License-Identifier: Apache-2.0
// Requests whose handler has returned and whose answer somebody gives later, without a thread for each. Internal to
// http/.
#pragma once
#include <chrono>
#include <functional>
#include <memory>

#include "http/connection_loop.h"
#include "http/message.h"

namespace afina::http {

/// Thread-safe. The connection of a reply that nobody gives is answered 500 when the last copy of its Reply goes.
class PendingReplies {
 public:
  /// Sends the response and takes the connection back; must not throw.
  using Send = std::function<void(std::unique_ptr<Connection>, bool keep, Response&&)>;
  explicit PendingReplies(Send send);
  ~PendingReplies();
  PendingReplies(const PendingReplies&) = delete;
  PendingReplies& operator=(const PendingReplies&) = delete;

  /// The Reply for a connection; keep: it may be kept after the answer. `make` of the Reply must not throw: the server
  /// has turned errors into responses before.
  Reply add(std::unique_ptr<Connection> connection, bool keep);
  /// True once none is pending, false after the deadline.
  bool wait_idle(std::chrono::steady_clock::time_point deadline);
  /// Closes the connections of all that are pending; replies given from now on go nowhere. Waits for those that are
  /// being sent.
  void abandon();

 private:
  struct State;
  class Pending;
  std::shared_ptr<State> state_;
};

}  // namespace afina::http
