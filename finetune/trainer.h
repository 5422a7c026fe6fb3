// SPDX-License-Identifier: Apache-2.0
// The train loop of every objective: accumulate over micro-batches with one divisor, clip, update, record, evaluate,
// checkpoint. Knows no file of data, no database and no tokenizer: they are behind the interfaces it is given.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "dpo/objective.h"
#include "finetune/batch_source.h"
#include "finetune/best_model.h"
#include "finetune/checkpoint_store.h"
#include "finetune/config/run_config.h"
#include "finetune/evaluate.h"
#include "finetune/health.h"
#include "finetune/optim/optimiser.h"
#include "finetune/policy.h"
#include "finetune/reference.h"
#include "finetune/run_sink.h"
#include "finetune/schedule.h"
#include "finetune/step_sums.h"
#include "finetune/train_state.h"

namespace afina::finetune {

/// What a trainer works with; everything outlives it. reference: required where the objective needs one.
struct TrainerParts {
  Policy& policy;
  dpo::Objective& objective;
  BatchSource& batches;
  const TrainingRows& rows;
  ReferenceTable* reference = nullptr;
  std::vector<EvaluationSet> evaluation;  ///< each with a prefix of its own; empty: none is held out
  RunSink& sink;
  CheckpointStore& checkpoints;
  RunIdentity identity;
  HealthFacts health = {};
};

struct RunOutcome {
  int64_t steps = 0;  ///< optimiser steps done in all, earlier attempts included
  int64_t examples_seen = 0;
  int64_t num_tokens = 0;
  double seconds = 0.0;  ///< of this attempt
  StepRecord last;       ///< the last step's values
  bool stopped_early = false;
  int64_t best_step = -1;  ///< of the best evaluation, where the run asks for one; else -1
  double best_value = 0.0;
  int64_t peak_memory_bytes = 0;  ///< largest resident set of the process; 0: unknown
  int64_t optimiser_bytes = 0;
  std::vector<Verdict> verdicts;  ///< of this attempt, at most 100
};

/// Not thread-safe. With one seed, machine, build and number of threads a run is bit-identical, also when stopped and
/// resumed.
class Trainer {
 public:
  /// Throws UsageError where the config cannot run: unknown settings of the schedule, rates for modules that are not
  /// trained, early stopping, a best checkpoint or a plateau without held-out rows.
  Trainer(const RunConfig& config, TrainerParts parts);

  /// Puts the loop where the checkpoint left it. Throws Conflict where it belongs to another run.
  void restore(const Checkpoint& checkpoint);

  /// Runs to the last step, or to where early stopping ends it; with load_best_model_at_end the policy then holds the
  /// best checkpoint's parameters. On a stop: checkpoint at the last whole step, then throws Cancelled. On a
  /// log-probability, loss or gradient that is not finite: checkpoint of the state before that step, then throws
  /// ModelError naming the step, the rows and the layer. Throws Conflict where another process has taken the run over;
  /// nothing is written then.
  RunOutcome run(std::stop_token stop);

  int64_t total_steps() const { return total_steps_; }
  int64_t step() const { return step_; }

 private:
  bool train_step(const datasets::OptimiserBatch& batch, std::stop_token stop, StepRecord& record);
  std::optional<dpo::ReferenceLogps> reference_of(const datasets::PackedBatch& batch);
  void micro_step(const datasets::PackedBatch& batch, int64_t index, const datasets::Divisors& divisors,
                  StepSums& sums);
  void require_finite_logps(const datasets::PackedBatch& batch, std::span<const double> logp);
  void require_finite_gradient(double norm, const datasets::OptimiserBatch& batch);
  [[noreturn]] void stop_for_rows(const std::string& what, const std::vector<int64_t>& rows);
  bool evaluate(StepRecord& record, std::stop_token stop);
  void finish_step(const datasets::OptimiserBatch& batch, const StepSums& sums);
  void watch_health(const StepRecord& record, const StepSums& sums);
  void pass_on(std::vector<Verdict> verdicts);
  bool save_checkpoint(bool must_succeed);
  void load_best();
  /// False where it was stopped.
  bool step_and_record(std::stop_token stop, StepRecord& record);
  TrainState state() const;
  std::span<float> parameters();

  RunConfig config_;
  TrainerParts parts_;
  int64_t total_steps_;
  Schedule schedule_;
  std::unique_ptr<Optimiser> optimiser_;
  BestModel best_;
  HealthMonitor health_;
  at::Tensor gradient_P_;
  int64_t step_ = 0, num_tokens_ = 0, examples_seen_ = 0;
  Cursor cursor_;
  std::vector<double> objective_state_;  // of the last whole step: the objective itself may be within one
  std::vector<PairSignal> pair_signals_;
  std::vector<Verdict> verdicts_;
  bool evaluation_due_ = false;  // the step is done, its evaluation was stopped
  int64_t saved_step_ = -1;
  int failed_saves_ = 0;
};

}  // namespace afina::finetune
