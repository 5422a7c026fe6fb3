// SPDX-License-Identifier: Apache-2.0
#include "collector/streams/answer_jobs.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace afina::collector {
namespace {

constexpr int kCommitTries = 8;
constexpr std::chrono::milliseconds kFirstCommitPause{250}, kLongestCommitPause{4000};
/// Commits are short and share the database's pool with requests.
constexpr size_t kCommitters = 4;

}  // namespace

AnswerJobs::AnswerJobs() : committers_(kCommitters, 1u << 20) {}

void AnswerJobs::stop() {
  stop_.request_stop();
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return held_ == 0; });
}

std::shared_ptr<void> AnswerJobs::hold() {
  const std::lock_guard lock(mutex_);
  ++held_;
  return {nullptr, [this](void*) {
            const std::lock_guard release(mutex_);
            --held_;
            idle_.notify_all();
          }};
}

void AnswerJobs::commit(std::function<void()> act, std::function<void(std::exception_ptr)> done) {
  committers_.submit([this, act = std::move(act), done = std::move(done)] { done(try_commit(act)); });
}

std::exception_ptr AnswerJobs::try_commit(const std::function<void()>& act) {
  std::chrono::milliseconds pause = kFirstCommitPause;
  for (int tries = 1;; ++tries) {
    try {
      act();
      return nullptr;
    } catch (const StorageError& error) {
      if (!error.retryable() || tries == kCommitTries) return std::current_exception();
    } catch (...) {
      return std::current_exception();
    }
    std::mutex never;
    std::unique_lock lock(never);
    std::condition_variable_any().wait_for(lock, stop_.get_token(), pause, [] { return false; });
    pause = std::min(pause * 2, kLongestCommitPause);
  }
}

}  // namespace afina::collector
