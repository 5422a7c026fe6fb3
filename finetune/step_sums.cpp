// SPDX-License-Identifier: Apache-2.0
#include "finetune/step_sums.h"

#include "base/error.h"
#include "finetune/batch_source.h"
#include "finetune/config/metric_names.h"

namespace afina::finetune {

void StepSums::add(const datasets::PackedBatch& batch, const model::TokenStats& stats,
                   const dpo::ObjectiveResult& result) {
  AFINA_CHECK(result.example_losses.size() == batch.examples.size(), "one loss for each example");
  loss += result.loss;
  tokens += unshared_tokens(batch);
  targets += static_cast<int64_t>(batch.targets.size());
  for (const uint8_t hit : stats.correct)
    correct += hit;
  for (const double nats : stats.entropy)
    entropy += nats;
  has_entropy = has_entropy || !stats.entropy.empty();
  for (const auto& [name, sum] : result.metric_sums)
    metric_sums[name] += sum;
  for (const auto& [name, weight] : result.metric_weights)
    metric_weights[name] += weight;
  metric_weight += result.metric_weight;
  for (size_t i = 0; i < batch.examples.size(); ++i)
    examples.push_back({batch.examples[i].row, result.example_losses[i]});
}

void StepSums::append_means(const std::string& prefix, StepRecord& record) const {
  if (targets > 0) {
    record.values.emplace_back(prefix + metric::kMeanTokenAccuracy,
                               static_cast<double>(correct) / static_cast<double>(targets));
    if (has_entropy) record.values.emplace_back(prefix + metric::kEntropy, entropy / static_cast<double>(targets));
  }
  for (const auto& [name, sum] : metric_sums) {
    const auto own = metric_weights.find(name);
    const double weight = own != metric_weights.end() ? own->second : metric_weight;
    if (weight > 0.0) record.values.emplace_back(prefix + name, sum / weight);
  }
}

}  // namespace afina::finetune
