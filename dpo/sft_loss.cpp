// SPDX-License-Identifier: Apache-2.0
#include "dpo/sft_loss.h"

#include "base/error.h"

namespace afina::dpo {

datasets::Divisors SftLoss::divisor_share(const datasets::PackedBatch& batch) const {
  double sum = 0.0;
  for (const auto& target : batch.targets)
    sum += target.weight;
  return {.main = sum};
}

ObjectiveResult SftLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  const datasets::PackedBatch& batch = input.batch;
  const double divisor = input.divisors.main;
  AFINA_CHECK(input.policy.logp.size() == batch.targets.size() && dloss_dlogp.size() == batch.targets.size(),
              "one log-probability and one derivative for each target");
  AFINA_CHECK(divisor > 0.0, "the divisor of an optimiser batch is its sum of weights");
  ObjectiveResult result;
  result.example_losses.assign(batch.examples.size(), 0.0);
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    const auto& target = batch.targets[i];
    const double weight = target.weight;
    const double loss = -weight * input.policy.logp[i];
    result.loss += loss / divisor;
    dloss_dlogp[i] = -weight / divisor;
    result.example_losses[static_cast<size_t>(batch.sequences[static_cast<size_t>(target.sequence)].example)] += loss;
  }
  result.metric_weight = static_cast<double>(batch.examples.size());
  return result;
}

}  // namespace afina::dpo
