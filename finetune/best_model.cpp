// SPDX-License-Identifier: Apache-2.0
#include "finetune/best_model.h"

#include <cmath>

#include "base/error.h"
#include "finetune/config/metric_names.h"
#include "finetune/schedule.h"

namespace afina::finetune {

BestModel::BestModel(const RunConfig& config)
    : wanted_(config.early_stopping_patience > 0 || config.load_best_model_at_end),
      less_is_better_(less_is_better(config.metric_for_best_model)),
      metric_(config.metric_for_best_model.starts_with(metric::kEvalPrefix)
                  ? config.metric_for_best_model
                  : metric::eval(config.metric_for_best_model)),
      patience_(config.early_stopping_patience),
      threshold_(config.early_stopping_threshold) {}

bool BestModel::evaluated(const StepRecord& record) {
  if (!wanted_) return false;
  const double* value = record.find(metric_);
  if (value == nullptr) {
    std::string known;
    for (const auto& [name, number] : record.values)
      if (name.starts_with(metric::kEvalPrefix)) known += cat(known.empty() ? "" : ", ", name);
    throw UsageError(
        cat("[config] metric_for_best_model must be a held-out value of this run, but got '", metric_, "'."),
        cat("this run has ", known.empty() ? "none" : known));
  }
  const bool better = step_ < 0 || (less_is_better_ ? *value < value_ : *value > value_);
  const bool clearly = step_ < 0 || (better && std::abs(*value - value_) > threshold_);
  evaluations_without_better_ = clearly ? 0 : evaluations_without_better_ + 1;
  if (!better) return false;
  value_ = *value;
  step_ = record.step;
  return true;
}

std::vector<double> BestModel::state() const {
  return {value_, static_cast<double>(step_), static_cast<double>(evaluations_without_better_)};
}

void BestModel::restore(std::span<const double> state) {
  if (state.size() != 3) throw DataError(cat("[finetune.best] must restore 3 numbers, but got ", state.size(), "."));
  value_ = state[0];
  step_ = static_cast<int64_t>(state[1]);
  evaluations_without_better_ = static_cast<int64_t>(state[2]);
}

}  // namespace afina::finetune
