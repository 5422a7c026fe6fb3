// SPDX-License-Identifier: Apache-2.0
#include "dpo/bco_loss.h"

#include <cmath>

#include "base/error.h"
#include "dpo/margin_losses.h"
#include "dpo/unpaired.h"

namespace afina::dpo {

datasets::Divisors BcoLoss::divisor_share(const datasets::PackedBatch& batch) const {
  return {.main = example_weights(batch)};
}

void BcoLoss::restore(std::span<const double> state) {
  if (state.size() != 2 || !std::isfinite(state[0]) || !(state[1] >= 0.0))
    throw DataError(
        cat("[dpo.state] bco's must be a finite mean and a count of 0 or more, but got ", state.size(), " values."));
  mean_ = state[0];
  count_ = state[1];
}

ObjectiveResult BcoLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  check_input(input, dloss_dlogp, true);
  const std::vector<double> logps = sequence_logps(input.batch, input.policy.logp);
  const auto answers = judged_answers(input, logps, beta_, 1);
  const auto n = static_cast<double>(answers.size());
  if (input.training && n > 0.0) {
    double sum = 0.0;
    for (const auto& answer : answers)
      sum += answer.reward;
    count_ += n;
    mean_ += (sum / n - mean_) * n / count_;
  }
  ObjectiveResult result;
  SequenceDerivatives derivatives(input.batch.sequences.size());
  for (const auto& answer : answers) {
    const double share = answer.example->weight / input.divisors.main;
    const Derived loss = sigmoid_loss(answer.reward - mean_, answer.example->soft_label);
    result.loss += share * loss.value;
    result.example_losses.push_back(loss.value);
    derivatives.by_sum[answer.sequence] = share * beta_ * loss.slope;
  }
  result.metric_weight = n;
  add_unpaired_metrics(answers, result);
  result.metric_sums["delta"] = mean_ * n;
  derivatives.spread(input.batch, dloss_dlogp);
  return result;
}

}  // namespace afina::dpo
