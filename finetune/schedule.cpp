// SPDX-License-Identifier: Apache-2.0
#include "finetune/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace afina::finetune {

Schedule::Schedule(SchedulerType type, int64_t warmup_steps, int64_t total_steps)
    : type_(type), warmup_(static_cast<double>(warmup_steps)), total_(static_cast<double>(total_steps)) {}

double Schedule::factor(int64_t step) const {
  const double s = static_cast<double>(step);
  if (type_ == SchedulerType::constant) return 1.0;
  if (s < warmup_) return s / std::max(1.0, warmup_);
  const double span = std::max(1.0, total_ - warmup_);
  switch (type_) {
    case SchedulerType::linear:
      return std::max(0.0, (total_ - s) / span);
    case SchedulerType::cosine:
      return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * (s - warmup_) / span)));
    default:
      return 1.0;
  }
}

int64_t steps_per_epoch(int64_t micro_batches, int64_t gradient_accumulation_steps) {
  return std::max<int64_t>(1, (micro_batches + gradient_accumulation_steps - 1) / gradient_accumulation_steps);
}

int64_t total_steps(const RunConfig& config, int64_t steps_an_epoch) {
  if (config.max_steps > 0) return config.max_steps;
  return static_cast<int64_t>(std::ceil(config.num_train_epochs * static_cast<double>(steps_an_epoch)));
}

int64_t warmup_steps(const RunConfig& config, int64_t total) {
  if (config.warmup_steps > 0) return config.warmup_steps;
  return static_cast<int64_t>(std::ceil(config.warmup_ratio * static_cast<double>(total)));
}

}  // namespace afina::finetune
