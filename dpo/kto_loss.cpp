// SPDX-License-Identifier: Apache-2.0
#include "dpo/kto_loss.h"

#include <algorithm>

#include "base/error.h"
#include "dpo/scalars.h"
#include "dpo/unpaired.h"

namespace afina::dpo {

datasets::Divisors KtoLoss::divisor_share(const datasets::PackedBatch& batch) const {
  return {.main = example_weights(batch)};
}

double KtoLoss::zero_point(const ObjectiveInput& input, std::span<const double> logps) const {
  if (!options_.zero_point) return 0.0;
  double sum = 0.0;
  for (const auto& example : input.batch.examples) {
    const Sides sides = sides_of(input.batch, example, 1, 2);
    if (sides.answers.size() < 2) refuse_row(example, "have a mismatched answer for kto's KL term", "none");
    sum += logps[sides.answers[1]] - input.reference->sequence_logp[sides.answers[1]];
  }
  return std::max(0.0, sum / static_cast<double>(std::max<size_t>(1, input.batch.examples.size())));
}

ObjectiveResult KtoLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  check_input(input, dloss_dlogp, true);
  const std::vector<double> logps = sequence_logps(input.batch, input.policy.logp);
  const auto answers = judged_answers(input, logps, options_.beta, 2);
  const double kl = zero_point(input, logps);
  ObjectiveResult result;
  SequenceDerivatives derivatives(input.batch.sequences.size());
  for (const auto& answer : answers) {
    const double z = answer.reward - options_.beta * kl;
    const double share = answer.example->weight / input.divisors.main;
    const double good = answer.example->soft_label * options_.desirable_weight;
    const double bad = (1.0 - answer.example->soft_label) * options_.undesirable_weight;
    const double loss = good * sigmoid(-z) + bad * sigmoid(z);
    result.loss += share * loss;
    result.example_losses.push_back(loss);
    derivatives.by_sum[answer.sequence] = share * options_.beta * (bad - good) * sigmoid(z) * sigmoid(-z);
  }
  result.metric_weight = static_cast<double>(answers.size());
  add_unpaired_metrics(answers, result);
  result.metric_sums["kl"] = kl * result.metric_weight;
  derivatives.spread(input.batch, dloss_dlogp);
  return result;
}

}  // namespace afina::dpo
