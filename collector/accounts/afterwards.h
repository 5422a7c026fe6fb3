// SPDX-License-Identifier: Apache-2.0
// Small acts that a reply must not wait for, lest the wait tell what the reply does not.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace afina::collector {

/// Thread-safe. One thread runs the acts in their order; the destructor lets it finish them.
class Afterwards {
 public:
  static constexpr size_t kMost = 1'000;
  Afterwards();
  ~Afterwards();
  Afterwards(const Afterwards&) = delete;
  Afterwards& operator=(const Afterwards&) = delete;
  /// What `act` throws is logged. Where kMost wait already it is not run, and that is logged.
  void run(std::function<void()> act);

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace afina::collector
