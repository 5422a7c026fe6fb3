// SPDX-License-Identifier: Apache-2.0
// Learning-rate schedules, formula for formula those of transformers' optimization.py and torch's ReduceLROnPlateau,
// and how many steps a run has.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "finetune/config/run_config.h"

namespace afina::finetune {

/// What lr_scheduler_kwargs may set; each with transformers' default. Only the keys of the schedule's own function are
/// taken.
struct ScheduleOptions {
  double num_cycles = 0.5;                    ///< waves of the cosine ones; cosine_with_restarts: restarts, default 1
  double lr_end = 1e-7;                       ///< polynomial: the last rate
  double power = 1.0;                         ///< polynomial
  std::optional<double> min_lr, min_lr_rate;  ///< cosine_with_min_lr: one of them; the rate, or its share of the peak
  std::optional<int64_t> timescale;           ///< inverse_sqrt; default warm-up steps, or 10,000 without
  std::optional<int64_t> num_decay_steps;     ///< warmup_stable_decay: required
  std::optional<int64_t> num_stable_steps;    ///< default: what warm-up and decay leave of the run
  double min_lr_ratio = 0.0;                  ///< warmup_stable_decay
  std::string warmup_type = "linear";         ///< linear, cosine or 1-sqrt
  std::string decay_type = "cosine";          ///< linear, cosine or 1-sqrt
  double factor = 0.1;                        ///< reduce_lr_on_plateau: multiplies the rate
  int64_t patience = 10;                      ///< evaluations without a better one that it bears
  double threshold = 1e-4;                    ///< what counts as better
  bool threshold_is_relative = true;          ///< threshold_mode rel or abs
  bool less_is_better = true;                 ///< mode min or max; default by metric_for_best_model
  int64_t cooldown = 0;                       ///< evaluations to wait after a cut
  double lowest_rate = 0.0;                   ///< min_lr of reduce_lr_on_plateau
  double eps = 1e-8;                          ///< smaller cuts are not made
};

/// lr_scheduler_kwargs of the config. Throws UsageError naming a key that the schedule does not know, or a value out of
/// range, or one that is missing.
ScheduleOptions schedule_options(const RunConfig& config);

/// Whether a smaller value of a metric is better: transformers' rule, losses are, all else is not.
bool less_is_better(const std::string& metric);

/// With w warm-up steps and T in all, most rise as s/w from 0: a run with warm-up begins with rate 0. constant and
/// reduce_lr_on_plateau know no warm-up, as in transformers. Not thread-safe.
class Schedule {
 public:
  /// learning_rate: the peak. Throws UsageError where options do not fit it.
  Schedule(SchedulerType type, double learning_rate, int64_t warmup_steps, int64_t total_steps,
           ScheduleOptions options = {});
  /// Of optimiser step `step` (0-based, the step about to be taken).
  double rate(int64_t step) const { return peak_ * factor(step); }
  /// rate over the peak.
  double factor(int64_t step) const;
  bool watches_evaluation() const { return type_ == SchedulerType::reduce_lr_on_plateau; }
  /// A held-out value, after each evaluation; nothing to do for schedules that do not watch it.
  void evaluated(double value);
  /// What a checkpoint keeps; empty for schedules that are functions of the step.
  std::vector<double> state() const;
  /// Throws DataError for another length.
  void restore(std::span<const double> state);

 private:
  double cosine(double s) const;
  double stable_decay(double s) const;

  SchedulerType type_;
  double peak_, warmup_, total_;
  ScheduleOptions options_;
  double plateau_rate_, best_;
  int64_t bad_evaluations_ = 0, cooling_ = 0;
};

/// Optimiser steps of one epoch: the last one may hold fewer micro-batches; at least 1.
int64_t steps_per_epoch(int64_t micro_batches, int64_t gradient_accumulation_steps);
/// max_steps where set, else num_train_epochs × steps of an epoch, rounded up.
int64_t total_steps(const RunConfig& config, int64_t steps_an_epoch);
/// warmup_steps where set, else warmup_ratio × total, rounded up.
int64_t warmup_steps(const RunConfig& config, int64_t total);

}  // namespace afina::finetune
