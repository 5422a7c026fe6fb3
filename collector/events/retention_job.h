// SPDX-License-Identifier: Apache-2.0
// Applies the retention times while the collector runs: some minutes after its start and once a day from then on.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "collector/config.h"
#include "storage/events/retention.h"

namespace afina::collector {

storage::RetentionRules retention_rules(const CollectorConfig& config);

/// One thread of its own. The database outlives it.
class RetentionJob {
 public:
  RetentionJob(storage::Database& database, storage::RetentionRules rules,
               std::chrono::milliseconds first = std::chrono::minutes(5),
               std::chrono::milliseconds every = std::chrono::hours(24));
  ~RetentionJob();
  RetentionJob(const RetentionJob&) = delete;
  RetentionJob& operator=(const RetentionJob&) = delete;

 private:
  void run(std::stop_token stop);

  storage::Database& database_;
  const storage::RetentionRules rules_;
  const std::chrono::milliseconds first_, every_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace afina::collector
