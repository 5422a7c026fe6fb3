// SPDX-License-Identifier: Apache-2.0
#include "http/worker_pool.h"

#include <system_error>

namespace afina::http {

void WorkerPool::close() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
  threads_.clear();
}

bool WorkerPool::submit(std::function<void()> job) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (closing_) return false;
    if (jobs_.size() >= waiting_ && threads_.size() < max_threads_) {
      try {
        threads_.emplace_back([this] { run(); });
      } catch (const std::system_error&) {
        if (threads_.empty()) return false;
      }
    } else if (jobs_.size() >= waiting_ + max_queue_) {
      return false;
    }
    jobs_.push_back(std::move(job));
    wake = wants_waking();
  }
  if (wake) work_.notify_one();
  return true;
}

bool WorkerPool::wait_idle(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, deadline, [&] { return jobs_.empty() && busy_ == 0; });
}

// One thread at a time is woken, and wakes the next where there is work left: short jobs that come together are mostly
// done by those who are awake, instead of waking a thread each.
bool WorkerPool::wants_waking() {
  if (waking_ || jobs_.empty() || waiting_ == 0) return false;
  waking_ = true;
  return true;
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++waiting_;
    work_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
    --waiting_;
    waking_ = false;
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    ++busy_;
    // Before the job, which may block: the next one must not wait for it.
    const bool more = wants_waking();
    lock.unlock();
    if (more) work_.notify_one();
    job();
    lock.lock();
    if (--busy_ == 0 && jobs_.empty()) idle_.notify_all();
  }
}

}  // namespace afina::http
