// SPDX-License-Identifier: Apache-2.0
// The train loop of every objective: accumulate over micro-batches with one divisor, clip, AdamW, record, evaluate,
// checkpoint. Knows no file of data, no database and no tokenizer: they are behind the interfaces it is given.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <stop_token>

#include "dpo/objective.h"
#include "finetune/adamw.h"
#include "finetune/batch_source.h"
#include "finetune/checkpoint_store.h"
#include "finetune/config/run_config.h"
#include "finetune/policy.h"
#include "finetune/reference.h"
#include "finetune/run_sink.h"
#include "finetune/schedule.h"
#include "finetune/step_sums.h"
#include "finetune/train_state.h"

namespace afina::finetune {

/// Held-out rows and, for DPO, their reference values.
struct EvaluationSet {
  const TrainingRows* rows = nullptr;
  const ReferenceTable* reference = nullptr;
};

/// What a trainer works with; everything outlives it. reference: required where the objective needs one.
struct TrainerParts {
  Policy& policy;
  dpo::Objective& objective;
  BatchSource& batches;
  const TrainingRows& rows;
  const ReferenceTable* reference = nullptr;
  EvaluationSet evaluation;
  RunSink& sink;
  CheckpointStore& checkpoints;
  RunIdentity identity;
};

struct RunOutcome {
  int64_t steps = 0;  ///< optimiser steps done in all, earlier attempts included
  int64_t examples_seen = 0;
  int64_t num_tokens = 0;
  double seconds = 0.0;  ///< of this attempt
  StepRecord last;       ///< the last step's values
};

/// Not thread-safe. With one seed, machine, build and number of threads a run is bit-identical, also when stopped and
/// resumed.
class Trainer {
 public:
  /// Throws UsageError where the config cannot run.
  Trainer(const RunConfig& config, TrainerParts parts);

  /// Puts the loop where the checkpoint left it. Throws Conflict where it belongs to another run.
  void restore(const Checkpoint& checkpoint);

  /// Runs to the last step. On a stop: checkpoint at the last whole step, then throws Cancelled. On a loss or gradient
  /// that is not finite: checkpoint of the state before that step, then throws ModelError naming the step and the rows.
  RunOutcome run(std::stop_token stop);

  int64_t total_steps() const { return total_steps_; }
  int64_t step() const { return step_; }

 private:
  bool train_step(const datasets::OptimiserBatch& batch, std::stop_token stop, StepRecord& record);
  void micro_step(const datasets::PackedBatch& batch, int64_t index, const datasets::Divisors& divisors,
                  StepSums& sums);
  void require_finite_gradient(double norm, const datasets::OptimiserBatch& batch);
  [[noreturn]] void stop_for_rows(const std::string& what, const datasets::PackedBatch& batch);
  void evaluate(StepRecord& record, std::stop_token stop);
  void save_checkpoint(bool must_succeed);
  TrainState state() const;
  std::span<float> parameters();

  RunConfig config_;
  TrainerParts parts_;
  int64_t total_steps_;
  Schedule schedule_;
  AdamW optimiser_;
  at::Tensor gradient_P_;
  int64_t step_ = 0, num_tokens_ = 0, examples_seen_ = 0;
  Cursor cursor_;
  int64_t saved_step_ = -1;
  int failed_saves_ = 0;
};

/// Values of the whole set under the policy as it is, without dropout: eval_loss (the objective's, with the whole set's
/// divisor), eval_mean_token_accuracy and eval_ of the objective's metrics.
std::vector<std::pair<std::string, double>> evaluate_rows(Policy& policy, dpo::Objective& objective,
                                                          const EvaluationSet& set, const RunConfig& config,
                                                          std::stop_token stop);

}  // namespace afina::finetune
