// SPDX-License-Identifier: Apache-2.0
// One training run from a request to an adapter in PEFT's layout: loads model and adapter, encodes rows, fixes the
// reference, trains, saves. Needs no database: what a program adds of it comes in as sinks and a cache.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "finetune/decoder_policy.h"
#include "finetune/encoded_rows.h"
#include "finetune/reference.h"
#include "finetune/run_folder.h"
#include "finetune/run_sink.h"
#include "finetune/trainer.h"

namespace afina::finetune {

struct TrainRequest {
  RunKind kind = RunKind::sft;
  RunConfig config;
  std::filesystem::path model;
  std::filesystem::path start_adapter;  ///< a PEFT folder; empty = a fresh adapter
  SourceRows rows;
  std::string source;  ///< where rows come from, as it is recorded: a file's name or a snapshot's id
  std::optional<SourceRows> eval_rows;
  std::filesystem::path out;
  bool resume = false;
  std::string run_id;      ///< of a new run; a resumed one keeps its own
  std::string base_model;  ///< what the adapter's config names as its base; empty = the model file's name
};

struct TrainReport {
  RunOutcome outcome;
  ReferenceCounts reference;
  std::filesystem::path adapter;  ///< PEFT folder
  std::string adapter_sha256;
};

/// Not thread-safe. The constructor checks and prepares everything that can fail on bad input and writes nothing; run()
/// makes the run folder. A run that is resumed is locked from construction on.
class TrainJob {
 public:
  /// Throws UsageError, NotFound, Conflict, DataError, ModelError or StorageError.
  explicit TrainJob(TrainRequest request);
  ~TrainJob();

  const std::string& run_id() const { return run_id_; }
  /// The effective config: of a starting adapter r, lora_alpha and target_modules are its own.
  const RunConfig& config() const { return request_.config; }
  const RunIdentity& identity() const { return identity_; }
  const std::string& start_adapter_sha256() const { return start_sha256_; }
  /// Of the chat template that rendered the rows; empty where they were in ids.
  const std::string& template_sha256() const { return template_sha256_; }
  const std::filesystem::path& out() const { return request_.out; }
  const EncodedTrainingRows& rows() const { return *rows_; }
  const EncodedTrainingRows* eval_rows() const { return eval_rows_.get(); }
  const model::Model& model() const { return *model_; }

  void add_sink(std::unique_ptr<RunSink> sink) { sinks_.add(std::move(sink)); }
  /// cache outlives run().
  void set_reference_cache(ReferenceCache* cache) { cache_ = cache; }
  /// Trains to the end and writes out()/adapter. Throws as Trainer::run; a finished run that is resumed ends at
  /// once.
  TrainReport run(std::stop_token stop);

 private:
  void load_rows();
  void make_policy();
  std::unique_ptr<lora::AdapterSet> make_adapter();
  OrderedJson record() const;
  std::unique_ptr<ReferenceTable> reference_of(const TrainingRows& rows, const std::filesystem::path& file,
                                               std::stop_token stop);
  void resume(Trainer& trainer, CheckpointStore& store);
  void write_adapter();

  TrainRequest request_;
  std::shared_ptr<const model::Model> model_;
  std::unique_ptr<EncodedTrainingRows> rows_, eval_rows_;
  std::unique_ptr<DecoderPolicy> policy_;
  std::unique_ptr<RunFolder> folder_;
  std::string run_id_, start_sha256_, template_sha256_;
  RunIdentity identity_;
  SinkList sinks_;
  ReferenceCache* cache_ = nullptr;
  ReferenceCounts reference_counts_;
};

}  // namespace afina::finetune
