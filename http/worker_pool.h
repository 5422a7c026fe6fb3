// SPDX-License-Identifier: Apache-2.0
// Threads started as they are needed, up to a bound, behind a queue that refuses instead of growing.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace afina::http {

/// Thread-safe. Jobs must not throw.
class WorkerPool {
 public:
  WorkerPool(size_t max_threads, size_t max_queue) : max_threads_(max_threads), max_queue_(max_queue) {}
  ~WorkerPool() { close(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// False where every thread is busy and the queue is full, or the pool is closing.
  bool submit(std::function<void()> job);
  /// Runs what is queued, then joins; submit refuses from now on. Idempotent; by one thread.
  void close();
  /// True once no job is queued or running, false after the deadline.
  bool wait_idle(std::chrono::steady_clock::time_point deadline);

 private:
  void run();
  bool wants_waking();

  const size_t max_threads_, max_queue_;
  std::mutex mutex_;
  std::condition_variable work_, idle_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  size_t waiting_ = 0, busy_ = 0;
  bool waking_ = false;  ///< a thread was told to wake and has not begun
  bool closing_ = false;
};

}  // namespace afina::http
