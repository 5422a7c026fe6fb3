// SPDX-License-Identifier: Apache-2.0
#include "finetune/evaluate.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>

#include "finetune/step_sums.h"

namespace afina::finetune {

std::vector<std::pair<std::string, double>> evaluate_rows(Policy& policy, dpo::Objective& objective,
                                                          const EvaluationSet& set, const RunConfig& config,
                                                          std::stop_token stop) {
  std::vector<datasets::PackedBatch> batches;
  datasets::Divisors divisors;
  std::vector<int64_t> rows(static_cast<size_t>(set.rows->size()));
  std::iota(rows.begin(), rows.end(), 0);
  const auto batch_rows = static_cast<size_t>(config.per_device_train_batch_size);
  for (size_t first = 0; first < rows.size(); first += batch_rows) {
    const auto group = std::span<const int64_t>(rows).subspan(first, std::min(batch_rows, rows.size() - first));
    for (const auto& part : split_by_tokens(*set.rows, group, config.tokens_per_micro_batch)) {
      batches.push_back(set.rows->pack(part));
      divisors += objective.divisor_share(batches.back());
    }
  }
  StepSums sums;
  for (const auto& batch : batches) {
    if (stop.stop_requested()) return {};
    const model::TokenStats stats = policy.evaluate(batch, true);
    std::optional<dpo::ReferenceLogps> reference;
    if (objective.needs_reference()) reference = set.reference->of(batch);
    std::vector<double> unused(batch.targets.size());
    sums.add(batch, stats,
             objective.evaluate({.batch = batch,
                                 .policy = {stats.logp, stats.log_sum_p2},
                                 .reference = reference ? &*reference : nullptr,
                                 .divisors = divisors,
                                 .training = false},
                                unused));
  }
  StepRecord record;
  record.values.emplace_back(set.prefix + metric::kLoss, sums.loss);
  sums.append_means(set.prefix, record);
  return record.values;
}

}  // namespace afina::finetune
