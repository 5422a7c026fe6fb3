// SPDX-License-Identifier: Apache-2.0
#include "dpo/ranking_loss.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "dpo/margin_losses.h"
#include "dpo/scalars.h"
#include "dpo/sides.h"

namespace afina::dpo {
namespace {

/// ℓ of one ranking, and its derivatives by the rewards.
double plackett_luce(std::span<const double> rewards, std::span<double> by_reward) {
  double loss = 0.0;
  for (size_t k = 0; k + 1 < rewards.size(); ++k) {
    const auto left = rewards.subspan(k);
    const double total = log_sum_exp(left);
    loss += total - rewards[k];
    by_reward[k] -= 1.0;
    for (size_t j = k; j < rewards.size(); ++j)
      by_reward[j] += std::exp(rewards[j] - total);
  }
  return loss;
}

double ranked_loss(const datasets::ExampleRef& example, std::span<const double> rewards, std::span<double> by_reward) {
  if (rewards.size() == 2) {
    const Derived pair = sigmoid_loss(rewards[0] - rewards[1] - example.margin, example.soft_label);
    by_reward[0] = pair.slope;
    by_reward[1] = -pair.slope;
    return pair.value;
  }
  if (example.soft_label != 1.0 || example.margin != 0.0)
    refuse_row(example, "have soft label 1 and margin 0, being a ranking of more than two answers",
               cat(example.soft_label, " and ", example.margin));
  return plackett_luce(rewards, by_reward);
}

void add_metrics(std::span<const double> rewards, std::span<const double> logps, ObjectiveResult& result) {
  const auto others = static_cast<double>(rewards.size() - 1);
  double rewards_of_others = 0.0, logps_of_others = 0.0, right = 0.0;
  for (size_t k = 0; k < rewards.size(); ++k) {
    if (k > 0) rewards_of_others += rewards[k] / others;
    if (k > 0) logps_of_others += logps[k] / others;
    for (size_t j = k + 1; j < rewards.size(); ++j)
      right += rewards[k] > rewards[j] ? 1.0 : 0.0;
  }
  add_pair_metrics({rewards[0], rewards_of_others, logps[0], logps_of_others}, right / ((others + 1.0) * others / 2.0),
                   result);
}

}  // namespace

datasets::Divisors RankingLoss::divisor_share(const datasets::PackedBatch& batch) const {
  return {.main = example_weights(batch)};
}

ObjectiveResult RankingLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  check_input(input, dloss_dlogp, true);
  const std::vector<double> logps = sequence_logps(input.batch, input.policy.logp);
  ObjectiveResult result;
  SequenceDerivatives derivatives(input.batch.sequences.size());
  for (const auto& example : input.batch.examples) {
    check_label(example);
    const Sides sides = sides_of(input.batch, example, 2, std::numeric_limits<size_t>::max());
    std::vector<double> rewards, answer_logps, by_reward(sides.answers.size(), 0.0);
    for (const size_t s : sides.answers) {
      rewards.push_back(beta_ * (logps[s] - input.reference->sequence_logp[s]));
      answer_logps.push_back(logps[s]);
    }
    const double share = example.weight / input.divisors.main;
    const double loss = ranked_loss(example, rewards, by_reward);
    result.loss += share * loss;
    result.example_losses.push_back(loss);
    for (size_t k = 0; k < rewards.size(); ++k)
      derivatives.by_sum[sides.answers[k]] = share * beta_ * by_reward[k];
    add_metrics(rewards, answer_logps, result);
  }
  result.metric_weight = static_cast<double>(input.batch.examples.size());
  derivatives.spread(input.batch, dloss_dlogp);
  return result;
}

}  // namespace afina::dpo
