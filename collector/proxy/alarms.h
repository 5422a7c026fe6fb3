// SPDX-License-Identifier: Apache-2.0
// Calls functions when their time has come, all on one thread: for what waits for an answer without a thread of its
// own.
#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

namespace afina::collector {

/// Thread-safe. What is not due when this object goes is never called.
class Alarms {
 public:
  Alarms();
  Alarms(const Alarms&) = delete;
  Alarms& operator=(const Alarms&) = delete;

  /// Calls `ring` once after that time, on the alarms' thread: it must be quick and must not throw.
  void after(std::chrono::milliseconds time, std::function<void()> ring);

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> due_;
  std::jthread thread_;  // uses all of the above
};

}  // namespace afina::collector
