// SPDX-License-Identifier: Apache-2.0
// Learning-rate schedules, formula for formula those of transformers' optimization.py, and how many steps a run has.
#pragma once
#include <cstdint>

#include "finetune/config/run_config.h"

namespace afina::finetune {

/// Factor on the peak rate at optimiser step `step` (0-based, the step about to be taken). With w warm-up steps and T
/// in all: linear and cosine rise as s/w, then fall to 0 as (T−s)/(T−w) or ½(1+cos π(s−w)/(T−w)); constant_with_warmup
/// stays at 1 and constant ignores warm-up. A run with warm-up therefore begins with rate 0.
class Schedule {
 public:
  Schedule(SchedulerType type, int64_t warmup_steps, int64_t total_steps);
  double factor(int64_t step) const;

 private:
  SchedulerType type_;
  double warmup_, total_;
};

/// Optimiser steps of one epoch: the last one may hold fewer micro-batches; at least 1.
int64_t steps_per_epoch(int64_t micro_batches, int64_t gradient_accumulation_steps);
/// max_steps where set, else num_train_epochs × steps of an epoch, rounded up.
int64_t total_steps(const RunConfig& config, int64_t steps_an_epoch);
/// warmup_steps where set, else warmup_ratio × total, rounded up.
int64_t warmup_steps(const RunConfig& config, int64_t total);

}  // namespace afina::finetune
