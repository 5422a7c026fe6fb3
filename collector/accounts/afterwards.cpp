// SPDX-License-Identifier: Apache-2.0
#include "collector/accounts/afterwards.h"

#include <exception>

#include "base/log.h"

namespace afina::collector {

Afterwards::Afterwards() : thread_([this] { work(); }) {}

Afterwards::~Afterwards() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Afterwards::run(std::function<void()> act) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMost) {
      log_error("collector", "an act that was to follow a reply is dropped: ", kMost, " wait already");
      return;
    }
    waiting_.push_back(std::move(act));
  }
  changed_.notify_one();
}

void Afterwards::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto act = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    try {
      act();
    } catch (const std::exception& error) {
      log_error("collector", "an act that followed a reply failed: ", error.what());
    }
    lock.lock();
  }
}

}  // namespace afina::collector
