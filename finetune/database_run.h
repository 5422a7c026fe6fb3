// SPDX-License-Identifier: Apache-2.0
// A run in the database: its row, its metrics, which judgements each training row came from, cached reference values.
// Training never waits for the database nor stops because of it: what cannot be written now is kept and written later;
// metrics.jsonl has it in any case.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "finetune/reference.h"
#include "finetune/run_sink.h"
#include "storage/database.h"
#include "storage/runs.h"

namespace afina::finetune {

/// How a process holds a run: it says every `heartbeat` that it lives, and is taken for dead after a silence of
/// `lease`.
struct Lease {
  std::chrono::seconds lease{60};
  std::chrono::milliseconds heartbeat{10'000};
};

/// Not thread-safe. While it holds the run, a thread of its own sends the heartbeat.
class DatabaseRun {
 public:
  /// Creates the run's row; with the same id again, it stands. Both outlive the object. Throws Conflict for a taken
  /// name.
  DatabaseRun(storage::Database& database, const storage::Run& run, const TrainingRows& rows,
              const TrainingRows* eval_rows, Lease lease = {});
  ~DatabaseRun();

  /// Claims the run when training begins, then hands metrics over about once a second. begin() throws Conflict while
  /// another process's lease lives, but for one of this host and run folder: the folder's lock proves it dead. Once
  /// another process has claimed the run, the sink throws Conflict at its next call and in flush() at the latest, so
  /// that neither metrics nor a checkpoint are written. The run outlives its sink.
  std::unique_ptr<RunSink> make_sink();
  /// Writes what is still kept, then the end state. Throws StorageError or Conflict.
  void finish(storage::RunState state, const std::string& error = "");

 private:
  class Sink;
  void begin(int64_t step, int64_t total_steps);
  void insert_examples(const TrainingRows& rows, const std::string& split);
  /// force: whatever the time since the last write. Throws Conflict where another process took the run over.
  void write(bool force);
  void flush(int64_t step);
  void require_held() const;
  void keep_alive(const std::stop_token& stop);

  storage::Database& database_;
  std::string id_, out_folder_;
  const TrainingRows& rows_;
  const TrainingRows* eval_rows_;
  Lease lease_;
  int attempt_ = 0;  // 0: not claimed
  std::vector<storage::Metric> kept_;
  Stopwatch since_write_;
  bool warned_ = false;
  std::atomic<int64_t> step_{0};
  std::atomic<bool> lost_{false};
  std::mutex mutex_;  // of wake_ alone
  std::condition_variable_any wake_;
  std::jthread heart_;  // last: it uses the members above
};

/// Reference values in the database; a failure of the database is a miss, never an error. Writes in batches.
class DatabaseReferenceCache final : public ReferenceCache {
 public:
  explicit DatabaseReferenceCache(storage::Database& database) : database_(database) {}
  ~DatabaseReferenceCache() override;
  std::optional<std::vector<double>> find(const std::string& key) override;
  void store(const std::string& key, const std::vector<double>& logps) override;

 private:
  void write();

  storage::Database& database_;
  std::vector<std::pair<std::string, std::vector<double>>> kept_;
  bool broken_ = false;
};

}  // namespace afina::finetune
