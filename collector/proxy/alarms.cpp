// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/alarms.h"

#include <utility>

namespace afina::collector {

Alarms::Alarms() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Alarms::after(std::chrono::milliseconds time, std::function<void()> ring) {
  {
    const std::lock_guard lock(mutex_);
    due_.emplace(std::chrono::steady_clock::now() + time, std::move(ring));
  }
  changed_.notify_all();
}

void Alarms::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (due_.empty()) {
      changed_.wait(lock, stop, [&] { return !due_.empty(); });
      continue;
    }
    const auto next = due_.begin()->first;
    if (std::chrono::steady_clock::now() < next) {
      changed_.wait_until(lock, stop, next, [&] { return due_.begin()->first < next; });
      continue;
    }
    auto ring = std::move(due_.extract(due_.begin()).mapped());
    lock.unlock();
    ring();
    ring = nullptr;  // what it holds may end here, and must not end under the lock
    lock.lock();
  }
}

}  // namespace afina::collector
