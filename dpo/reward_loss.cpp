// SPDX-License-Identifier: Apache-2.0
#include "dpo/reward_loss.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "dpo/margin_losses.h"
#include "dpo/sides.h"

namespace afina::dpo {
namespace {

Sides scored_pair(const datasets::PackedBatch& batch, const datasets::ExampleRef& example) {
  check_label(example);
  Sides sides = sides_of(batch, example, 2, 2);
  for (const size_t s : sides.answers)
    if (batch.sequences[s].n_targets != 1)
      refuse_row(example, "have one score an answer", cat(batch.sequences[s].n_targets));
  return sides;
}

}  // namespace

datasets::Divisors RewardLoss::divisor_share(const datasets::PackedBatch& batch) const {
  return {.main = example_weights(batch)};
}

ObjectiveResult RewardLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  check_input(input, dloss_dlogp, false);
  const std::vector<double> scores = plain_logps(input.batch, input.policy.logp);
  ObjectiveResult result;
  SequenceDerivatives derivatives(input.batch.sequences.size());
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for (const auto& example : input.batch.examples) {
    const Sides sides = scored_pair(input.batch, example);
    const double chosen = scores[sides.chosen()], rejected = scores[sides.rejected()], sum = chosen + rejected;
    const Derived loss = sigmoid_loss(chosen - rejected - example.margin, example.soft_label);
    const double total = loss.value + centring_ * sum * sum;
    const double share = example.weight / input.divisors.main;
    result.loss += share * total;
    result.example_losses.push_back(total);
    derivatives.by_plain_sum[sides.chosen()] = share * (loss.slope + 2.0 * centring_ * sum);
    derivatives.by_plain_sum[sides.rejected()] = share * (-loss.slope + 2.0 * centring_ * sum);
    result.metric_sums["accuracy"] += chosen > rejected ? 1.0 : 0.0;
    result.metric_sums["margin"] += chosen - rejected;
    result.metric_sums["mean_reward"] += sum / 2.0;
    least = std::min({least, chosen, rejected});
    most = std::max({most, chosen, rejected});
  }
  result.metric_weight = static_cast<double>(input.batch.examples.size());
  if (!input.batch.examples.empty()) {
    result.metric_sums["min_reward"] = least * result.metric_weight;
    result.metric_sums["max_reward"] = most * result.metric_weight;
  }
  derivatives.spread(input.batch, dloss_dlogp);
  return result;
}

}  // namespace afina::dpo
