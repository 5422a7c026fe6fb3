// SPDX-License-Identifier: Apache-2.0
// Where answers are made, for the page and for programs alike: one thread reads all upstreams' streams, a few commit
// what came. An answer belongs to the server, not to a connection.
#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>

#include "http/async_client.h"
#include "http/worker_pool.h"

namespace afina::collector {

/// Thread-safe.
class AnswerJobs {
 public:
  AnswerJobs();
  ~AnswerJobs() { stop(); }
  AnswerJobs(const AnswerJobs&) = delete;
  AnswerJobs& operator=(const AnswerJobs&) = delete;

  /// Asks the upstreams' requests to stop and waits until no job is held. Idempotent.
  void stop();
  /// For requests to upstreams; all share its thread.
  http::AsyncClient& client() { return client_; }
  /// Tripped when the server ends: requests stop, and what came so far is committed.
  std::stop_token stop_token() const { return stop_.get_token(); }
  /// A job from its beginning to its last word; it ends when the last copy goes.
  std::shared_ptr<void> hold();
  /// Runs `act` on a committing thread, again while the database is away (StorageError that is retryable, eight tries
  /// in about 20 s): answers exist only here until they are committed. Then `done`, with null or the error.
  void commit(std::function<void()> act, std::function<void(std::exception_ptr)> done);

 private:
  std::exception_ptr try_commit(const std::function<void()>& act);

  std::mutex mutex_;
  std::condition_variable idle_;
  size_t held_ = 0;
  std::stop_source stop_;
  http::WorkerPool committers_;
  http::AsyncClient client_;  // its thread uses all of the above
};

}  // namespace afina::collector
