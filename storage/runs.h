// SPDX-License-Identifier: Apache-2.0
// Training runs: one row a run, one attempt each time a process takes it up. The attempt number fences: whoever holds
// an older one can write nothing more. Metrics are keyed (run, step, attempt, name); readers see one value a step, as
// if what a resume undid had never been.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct Run {
  std::string id = new_uuid();
  std::string name;  ///< unique
  RunKind kind = RunKind::sft;
  OrderedJson config = OrderedJson::object();  ///< order of keys is kept
  std::string config_sha256;
  std::string model;  ///< name or path of the base model, as given
  std::string base_sha256;
  std::string snapshot_id;  ///< empty: data came from a file
  std::string data_path;    ///< file or "snapshot"
  std::string data_sha256;
  std::string start_adapter_id;
  int64_t seed = 0;
  int64_t max_steps = 0;  ///< 0: not known yet
  std::string out_folder;
  // Below: written by the store, ignored by create_run.
  RunState state = RunState::queued;
  int64_t step = 0;
  int attempt = 0;
  std::string host, version, error;
  std::optional<Time> heartbeat_at, started_at, finished_at;
  Time created_at{};
};

/// Safe to repeat with the same id; Conflict for a taken name.
Run create_run(Transaction& t, const Run& run);
/// Takes the run up from start_step (0, or the checkpoint's) and returns its new attempt number: earlier holders are
/// fenced off. Throws NotFound, or Conflict for a finished run or one whose holder was heard of within stale_after.
int claim_run(Transaction& t, const std::string& run_id, int64_t start_step, const std::string& host,
              const std::string& version, std::chrono::seconds stale_after = std::chrono::seconds(0));
/// The three below throw Conflict where the attempt is not the newest or the run has ended.
void heartbeat_run(Transaction& t, const std::string& run_id, int attempt, int64_t step);
/// max_steps and hashes that are known only once the data is read; empty and 0 leave what stands.
void describe_run(Transaction& t, const std::string& run_id, int attempt, int64_t max_steps,
                  const std::string& base_sha256, const std::string& data_sha256);
/// state: finished, failed (with error) or cancelled.
void finish_run(Transaction& t, const std::string& run_id, int attempt, RunState state, const std::string& error = "");

/// By id, name or an unambiguous beginning of the id (8 characters or more). Throws NotFound.
Run get_run(Transaction& t, const std::string& id_or_name);
std::vector<Run> list_runs(Transaction& t, int64_t limit = 100);  ///< newest first

struct Metric {
  int64_t step = 0;
  std::string name;  ///< TRL's names
  double value = 0.0;
};
/// Many rows in one statement; a repeated (step, name) of the same attempt keeps the newest value. NaN and infinities
/// are kept. Throws Conflict for a fenced attempt. Also moves the run's step and heartbeat on.
void insert_metrics(Transaction& t, const std::string& run_id, int attempt, const std::vector<Metric>& metrics);
/// Values of steps > after_step (−1: all), ascending by step, then name, without what a resume undid.
std::vector<Metric> metrics_since(Transaction& t, const std::string& run_id, int64_t after_step = -1);
/// Newest value of each of these names.
std::vector<Metric> latest_metrics(Transaction& t, const std::string& run_id, const std::vector<std::string>& names);

/// Which judgements a training row came from.
struct TrainingExample {
  int64_t row = 0;  ///< index in the training data, as metrics and example losses name it
  std::string split = "train";
  std::optional<int64_t> snapshot_position;
  std::string content_sha256;  ///< of the tokens
  std::string where_from;      ///< "votes.jsonl:12"
  std::vector<std::string> preference_ids;
};
/// Once a run; the same rows again are left as they are.
void insert_training_examples(Transaction& t, const std::string& run_id, const std::vector<TrainingExample>& rows);
std::vector<TrainingExample> training_examples(Transaction& t, const std::string& run_id);

/// Reference log-probabilities that some run computed, by content key; values keep every bit.
std::optional<std::vector<double>> find_reference_logps(Transaction& t, const std::string& key);
void store_reference_logps(Transaction& t, const std::vector<std::pair<std::string, std::vector<double>>>& rows);

}  // namespace afina::storage
