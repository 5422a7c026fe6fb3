// SPDX-License-Identifier: Apache-2.0
// Leaves a failing upstream alone for a while, so that people get an error at once instead of waiting for deadlines.
// closed: asked as ever. open: not asked until a pause is over, longer after each failed probe. half_open: one request
// is let through as a probe. Source: M. Nygard, Release It!, "Circuit Breaker".
#pragma once
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

namespace afina::collector {

/// Thread-safe.
class CircuitBreaker {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class State { closed, open, half_open };
  enum class Outcome { success, failure, neither };  ///< neither: nothing was learnt about the upstream

  /// name: for the log. failures: consecutive ones that open it; 0: never. pause: of the first opening, doubled with
  /// each failed probe up to kLongest.
  CircuitBreaker(std::string name, int failures, std::chrono::seconds pause)
      : name_(std::move(name)), failures_(failures), first_pause_(pause), pause_(pause) {}
  static constexpr std::chrono::seconds kLongest{600};

  /// True where the request may go; then report() must follow. False while it is open, or while a probe runs.
  bool allow(Time now = std::chrono::steady_clock::now());
  void report(Outcome outcome, Time now = std::chrono::steady_clock::now());
  State state(Time now = std::chrono::steady_clock::now()) const;

 private:
  void open_locked(Time now);

  const std::string name_;
  const int failures_;
  const std::chrono::seconds first_pause_;
  mutable std::mutex mutex_;
  std::chrono::seconds pause_;
  int in_a_row_ = 0;
  bool open_ = false, probing_ = false;
  Time until_;
};

std::string_view to_string(CircuitBreaker::State state);

}  // namespace afina::collector
