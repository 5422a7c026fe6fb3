// SPDX-License-Identifier: Apache-2.0
#include "collector/events/retention_job.h"

#include "base/log.h"
#include "storage/database.h"

namespace afina::collector {

storage::RetentionRules retention_rules(const CollectorConfig& config) {
  return {config.retention_days_withdrawn, config.retention_days_events, config.retention_days_sessions};
}

RetentionJob::RetentionJob(storage::Database& database, storage::RetentionRules rules, std::chrono::milliseconds first,
                           std::chrono::milliseconds every)
    : database_(database), rules_(rules), first_(first), every_(every), thread_([this](std::stop_token stop) {
        run(stop);
      }) {}

RetentionJob::~RetentionJob() {
  thread_.request_stop();
  thread_.join();
}

void RetentionJob::run(std::stop_token stop) {
  auto rest = first_;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, rest, [] { return false; });
    }
    if (stop.stop_requested()) return;
    rest = every_;
    try {
      log_info("retention", dump_json(storage::to_json(storage::run_retention(database_, rules_, true))));
    } catch (const std::exception& error) {
      // Nothing is half done: the next run goes on with what is left.
      log_error("retention", "the retention times were not applied: ", error.what());
    }
  }
}

}  // namespace afina::collector
