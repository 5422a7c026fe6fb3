// SPDX-License-Identifier: Apache-2.0
#include "finetune/evaluate.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>

#include "finetune/step_sums.h"

namespace afina::finetune {

namespace {

/// Packed twice, once to count and once to evaluate, so that a large set is never in memory whole. f returns false to
/// stop.
template <typename F>
void for_each_batch(const EvaluationSet& set, const dpo::Objective& objective, const RunConfig& config, F f) {
  std::vector<int64_t> rows(static_cast<size_t>(set.rows->size()));
  std::iota(rows.begin(), rows.end(), 0);
  const auto batch_rows = static_cast<size_t>(config.per_device_train_batch_size);
  const int64_t bound = objective.scope() == dpo::Scope::micro_batch ? 0 : config.tokens_per_micro_batch;
  for (size_t first = 0; first < rows.size(); first += batch_rows) {
    const auto group = std::span<const int64_t>(rows).subspan(first, std::min(batch_rows, rows.size() - first));
    for (const auto& part : split_by_tokens(*set.rows, group, bound))
      if (!f(set.rows->pack(part))) return;
  }
}

}  // namespace

std::vector<std::pair<std::string, double>> evaluate_rows(Policy& policy, dpo::Objective& objective,
                                                          const EvaluationSet& set, const RunConfig& config,
                                                          std::stop_token stop) {
  datasets::Divisors divisors;
  for_each_batch(set, objective, config, [&](const datasets::PackedBatch& batch) {
    divisors += objective.divisor_share(batch);
    return !stop.stop_requested();
  });
  StepSums sums;
  for_each_batch(set, objective, config, [&](const datasets::PackedBatch& batch) {
    if (stop.stop_requested()) return false;
    std::optional<dpo::ReferenceLogps> reference;
    if (objective.needs_reference()) reference = set.reference->of(batch);
    const model::TokenStats stats = policy.evaluate(batch, true);
    std::vector<double> unused(batch.targets.size());
    sums.add(batch, stats,
             objective.evaluate({.batch = batch,
                                 .policy = {stats.logp, stats.log_sum_p2},
                                 .reference = reference ? &*reference : nullptr,
                                 .divisors = divisors,
                                 .training = false},
                                unused));
    return true;
  });
  if (stop.stop_requested()) return {};
  StepRecord record;
  record.values.emplace_back(set.prefix + metric::kLoss, sums.loss);
  sums.append_means(set.prefix, record);
  return record.values;
}

}  // namespace afina::finetune
