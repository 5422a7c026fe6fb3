// SPDX-License-Identifier: Apache-2.0
// Sums over the micro-batches of one optimiser batch or of a held-out set, and the means recorded of them.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dpo/objective.h"
#include "finetune/run_sink.h"
#include "model/training_model.h"

namespace afina::finetune {

struct StepSums {
  double loss = 0.0;  ///< of the whole batch: micro-batches' shares add up
  int64_t tokens = 0;
  int64_t targets = 0;
  int64_t correct = 0;
  double entropy = 0.0;
  bool has_entropy = false;
  std::map<std::string, double> metric_sums;
  double metric_weight = 0.0;
  std::map<std::string, double> metric_weights;  ///< of metrics with a weight of their own
  std::vector<ExampleLoss> examples;

  void add(const datasets::PackedBatch& batch, const model::TokenStats& stats, const dpo::ObjectiveResult& result);
  /// Appends mean_token_accuracy, entropy where known, and the objective's metrics, each name with the prefix.
  void append_means(const std::string& prefix, StepRecord& record) const;
};

}  // namespace afina::finetune
