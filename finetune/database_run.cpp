// SPDX-License-Identifier: Apache-2.0
#include "finetune/database_run.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/log.h"

namespace afina::finetune {
namespace {

constexpr double kSecondsBetweenWrites = 1.0;
constexpr size_t kCacheBatch = 64;
constexpr const char* kVersion = "0.1.0";

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

}  // namespace

class DatabaseRun::Sink final : public RunSink {
 public:
  explicit Sink(DatabaseRun& run) : run_(run) {}
  void begin(int64_t step, int64_t total_steps) override { run_.begin(step, total_steps); }
  void examples(int64_t step, const std::vector<ExampleLoss>&) override {
    run_.step_ = step;
    run_.require_held();
  }
  void record(const StepRecord& record) override {
    run_.require_held();
    for (const auto& [name, value] : record.values)
      run_.kept_.push_back({record.step, name, value});
    run_.write(false);
  }
  void flush(int64_t step) override { run_.flush(step); }

 private:
  DatabaseRun& run_;
};

DatabaseRun::DatabaseRun(storage::Database& database, const storage::Run& run, const TrainingRows& rows,
                         const TrainingRows* eval_rows, Lease lease)
    : database_(database), id_(run.id), out_folder_(run.out_folder), rows_(rows), eval_rows_(eval_rows), lease_(lease) {
  database_.transaction([&](storage::Transaction& t) { storage::create_run(t, run); });
}

DatabaseRun::~DatabaseRun() = default;

std::unique_ptr<RunSink> DatabaseRun::make_sink() {
  return std::make_unique<Sink>(*this);
}

void DatabaseRun::begin(int64_t step, int64_t total_steps) {
  attempt_ = database_.transaction([&](storage::Transaction& t) {
    const storage::Run then = storage::get_run(t, id_);
    const bool locked_out = then.host == host_name() && then.out_folder == out_folder_;
    const int attempt =
        storage::claim_run(t, id_, step, host_name(), kVersion, locked_out ? std::chrono::seconds(0) : lease_.lease);
    storage::describe_run(t, id_, attempt, total_steps, "", "");
    return attempt;
  });
  step_ = step;
  heart_ = std::jthread([this](const std::stop_token& stop) { keep_alive(stop); });
  insert_examples(rows_, "train");
  if (eval_rows_ != nullptr) insert_examples(*eval_rows_, "eval");
}

void DatabaseRun::keep_alive(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, stop, lease_.heartbeat, [] { return false; }) && !stop.stop_requested()) {
    try {
      database_.transaction([&](storage::Transaction& t) { storage::heartbeat_run(t, id_, attempt_, step_); });
    } catch (const Conflict&) {
      lost_ = true;
      return;
    } catch (const StorageError&) {
      // The database is away: write() warns of that, and the next beat tries again.
    }
  }
}

void DatabaseRun::require_held() const {
  if (!lost_) return;
  throw Conflict(cat("[finetune] run ", id_, " must be held by this process, but another one has taken it up."),
                 "this process stops; its last checkpoint stands");
}

void DatabaseRun::insert_examples(const TrainingRows& rows, const std::string& split) {
  std::vector<storage::TrainingExample> examples;
  for (int64_t row = 0; row < rows.size(); ++row) {
    storage::TrainingExample example;
    example.row = row;
    example.split = split;
    example.content_sha256 = rows.content_hash(row);
    example.where_from = rows.name(row);
    const Json lineage = rows.lineage(row);
    example.preference_ids = lineage.value("preference_ids", std::vector<std::string>{});
    examples.push_back(std::move(example));
  }
  database_.transaction([&](storage::Transaction& t) { storage::insert_training_examples(t, id_, examples); });
}

void DatabaseRun::write(bool force) {
  if (kept_.empty() || (!force && since_write_.seconds() < kSecondsBetweenWrites)) return;
  try {
    database_.transaction([&](storage::Transaction& t) { storage::insert_metrics(t, id_, attempt_, kept_); });
    kept_.clear();
    warned_ = false;
  } catch (const StorageError& error) {
    if (!warned_) log_warning("finetune", "metrics wait in memory until the database answers again: ", error.what());
    warned_ = true;
  }
  since_write_ = Stopwatch();
}

void DatabaseRun::flush(int64_t step) {
  require_held();
  write(true);
  try {
    database_.transaction([&](storage::Transaction& t) { storage::heartbeat_run(t, id_, attempt_, step); });
  } catch (const StorageError&) {
    // Nobody can be asked now. The run folder's lock still keeps another process out of this folder, and who claims the
    // run elsewhere goes on from its own checkpoints.
  }
}

void DatabaseRun::finish(storage::RunState state, const std::string& error) {
  if (heart_.joinable()) {
    heart_.request_stop();
    heart_.join();
  }
  database_.transaction([&](storage::Transaction& t) {
    if (attempt_ == 0) attempt_ = storage::claim_run(t, id_, 0, host_name(), kVersion);
    if (!kept_.empty()) storage::insert_metrics(t, id_, attempt_, kept_);
    storage::finish_run(t, id_, attempt_, state, error);
  });
  kept_.clear();
}

DatabaseReferenceCache::~DatabaseReferenceCache() {
  write();
}

std::optional<std::vector<double>> DatabaseReferenceCache::find(const std::string& key) {
  if (broken_) return std::nullopt;
  try {
    return database_.read([&](storage::Transaction& t) { return storage::find_reference_logps(t, key); });
  } catch (const StorageError& error) {
    log_warning("finetune", "reference values are computed without the cache: ", error.what());
    broken_ = true;
    return std::nullopt;
  }
}

void DatabaseReferenceCache::store(const std::string& key, const std::vector<double>& logps) {
  kept_.emplace_back(key, logps);
  if (kept_.size() >= kCacheBatch) write();
}

void DatabaseReferenceCache::write() {
  if (kept_.empty() || broken_) return;
  try {
    database_.transaction([&](storage::Transaction& t) { storage::store_reference_logps(t, kept_); });
    kept_.clear();
  } catch (const std::exception& error) {
    log_warning("finetune", "reference values are not cached: ", error.what());
    broken_ = true;
  }
}

}  // namespace afina::finetune
