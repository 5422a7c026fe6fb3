// SPDX-License-Identifier: Apache-2.0
// Which evaluation was the best one, and whether it is time to stop: the rules of transformers' EarlyStoppingCallback
// and of its best checkpoint.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "finetune/config/run_config.h"
#include "finetune/run_sink.h"

namespace afina::finetune {

/// Not thread-safe.
class BestModel {
 public:
  explicit BestModel(const RunConfig& config);
  /// Whether the run asks for a best checkpoint at all: early stopping or load_best_model_at_end.
  bool wanted() const { return wanted_; }
  /// metric_for_best_model, with eval_ in front where it has none.
  const std::string& metric() const { return metric_; }
  /// Takes a record with held-out values; true where it is the best so far. Throws UsageError where wanted() and the
  /// metric is not among them.
  bool evaluated(const StepRecord& record);
  /// After early_stopping_patience evaluations in a row that were not better by more than early_stopping_threshold.
  bool should_stop() const { return patience_ > 0 && evaluations_without_better_ >= patience_; }
  int64_t step() const { return step_; }  ///< of the best evaluation; -1: none yet
  double value() const { return value_; }
  std::vector<double> state() const;
  /// Throws DataError for another length.
  void restore(std::span<const double> state);

 private:
  bool wanted_, less_is_better_;
  std::string metric_;
  int64_t patience_;
  double threshold_;
  int64_t step_ = -1, evaluations_without_better_ = 0;
  double value_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace afina::finetune
