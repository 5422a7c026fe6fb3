// SPDX-License-Identifier: Apache-2.0
// The blind comparisons whose halves are still being made: what is said of one meanwhile is about a pair that is not on
// record yet, and waits for it.
#pragma once
#include <functional>
#include <memory>
#include <string>

namespace afina::collector {

/// Thread-safe.
class PendingPairs {
 public:
  PendingPairs();
  /// The comparison of which the visitor sees that generation is being made until the last copy goes. May outlive this
  /// object.
  std::shared_ptr<void> hold(const std::string& shown_id, const std::string& visitor_id);
  /// Whether it is, and is that visitor's.
  bool making(const std::string& shown_id, const std::string& visitor_id) const;
  /// Calls `then` once it is made or has failed, on the thread that ended it; on this one where none is being made.
  /// `then` must be quick and must not throw.
  void when_made(const std::string& shown_id, const std::string& visitor_id, std::function<void()> then);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace afina::collector
