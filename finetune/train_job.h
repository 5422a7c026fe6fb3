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

#include "finetune/config/memory_plan.h"
#include "finetune/decoder_policy.h"
#include "finetune/encoded_rows.h"
#include "finetune/reference.h"
#include "finetune/run_folder.h"
#include "finetune/run_sink.h"
#include "finetune/trainer.h"
#include "text/text_stack.h"

namespace afina::finetune {

/// Held-out rows; prefix: of their metrics' names, "eval_", "eval_prompt_" or "eval_annotator_".
struct HeldOutSource {
  std::string prefix;
  RowSource rows;
};

struct TrainRequest {
  RunKind kind = RunKind::sft;
  RunConfig config;
  std::filesystem::path model;
  std::filesystem::path start_adapter;  ///< a PEFT folder; empty = a fresh adapter
  RowSource rows;
  std::string source;  ///< where rows come from, as it is recorded: a file's name or a snapshot's id
  std::vector<HeldOutSource> held_out;
  std::filesystem::path out;
  std::filesystem::path token_cache;  ///< folder of rows in ids that later runs map; empty: none
  bool resume = false;
  std::string run_id;      ///< of a new run; a resumed one keeps its own
  std::string base_model;  ///< what the adapter's config names as its base; empty = the model file's name
};

struct TrainReport {
  RunOutcome outcome;
  ReferenceCounts reference;
  MemoryPlan memory;              ///< predicted; measured is outcome.peak_memory_bytes
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
  const std::string& template_sha256();
  const std::filesystem::path& out() const { return request_.out; }
  const EncodedTrainingRows& rows() const { return *rows_; }
  /// The first held-out set; null where none is held out.
  const EncodedTrainingRows* eval_rows() const { return held_out_.empty() ? nullptr : held_out_.front().rows.get(); }
  const model::Model& model() const { return *model_; }

  void add_sink(std::unique_ptr<RunSink> sink) { sinks_.add(std::move(sink)); }
  /// cache outlives run().
  void set_reference_cache(ReferenceCache* cache) { cache_ = cache; }
  /// Trains to the end and writes out()/adapter. Throws as Trainer::run; a finished run that is resumed ends at
  /// once.
  TrainReport run(std::stop_token stop);

 private:
  struct HeldOut {
    std::string prefix;
    std::unique_ptr<EncodedTrainingRows> rows;
    std::unique_ptr<ReferenceTable> reference;
  };
  void load_rows();
  const text::TextStack& text();
  void check_text() const;
  std::unique_ptr<EncodedTrainingRows> encode(const RowSource& source, bool held_out, const std::string& what);
  std::unique_ptr<lora::AdapterSet> make_adapter();
  void plan_memory(const lora::AdapterSet& adapter);
  void make_policy();
  OrderedJson record() const;
  std::unique_ptr<ReferenceTable> reference_of(const TrainingRows& rows, const std::filesystem::path& file,
                                               const std::stop_token& stop);
  bool reference_has_adapter() const { return policy_is_reference() && !request_.start_adapter.empty(); }
  void make_references(const std::stop_token& stop);
  void resume(Trainer& trainer, CheckpointStore& store);
  void write_adapter();
  /// Whether the reference is the policy as it stands at step 0.
  bool policy_is_reference() const;
  /// Whether the first step's log-ratios are all 0, as the health of a run expects then.
  bool begins_at_reference() const;

  TrainRequest request_;
  int64_t program_bytes_ = 0;
  std::unique_ptr<dpo::Objective> objective_;
  std::shared_ptr<const model::Model> model_;
  std::optional<text::TextStack> text_;
  std::unique_ptr<EncodedTrainingRows> rows_;
  std::vector<HeldOut> held_out_;
  MemoryPlan memory_;
  std::unique_ptr<DecoderPolicy> policy_;
  std::unique_ptr<RunFolder> folder_;
  std::unique_ptr<ReferenceTable> reference_;
  std::string run_id_, start_sha256_, template_sha256_, text_identity_;
  RunIdentity identity_;
  SinkList sinks_;
  ReferenceCache* cache_ = nullptr;
};

}  // namespace afina::finetune
