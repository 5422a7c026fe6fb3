// SPDX-License-Identifier: Apache-2.0
#include "dpo/orpo_loss.h"

#include <algorithm>
#include <cmath>

#include "dpo/scalars.h"

namespace afina::dpo {

LogOddsRatio log_odds_ratio(double p_chosen, double p_rejected) {
  constexpr double kNearestToCertain = -1e-7;
  const double c = std::min(p_chosen, kNearestToCertain), r = std::min(p_rejected, kNearestToCertain);
  const double without_c = log1mexp(c), without_r = log1mexp(r);
  return {(c - r) - (without_c - without_r), std::exp(-without_c), -std::exp(-without_r)};
}

Sides OrpoLoss::pair_of(const datasets::PackedBatch& batch, const datasets::ExampleRef& example) const {
  Sides sides = sides_of(batch, example, 2, 2);
  const auto& chosen = batch.sequences[sides.chosen()];
  if (!term_.with_prompt || sides.prompt || chosen.n_targets == 0 || batch.positions.empty()) return sides;
  const auto row = static_cast<size_t>(batch.targets[static_cast<size_t>(chosen.first_target)].row);
  if (batch.positions.at(row) > 0)
    refuse_row(example, "have its prompt's own targets for orpo's likelihood term", "none",
               "or set nll_on_prompt=false");
  return sides;
}

datasets::Divisors OrpoLoss::divisor_share(const datasets::PackedBatch& batch) const {
  datasets::Divisors out{.main = example_weights(batch)};
  for (const auto& example : batch.examples)
    out.nll += likelihood_divisor(term_, batch, example, pair_of(batch, example));
  return out;
}

ObjectiveResult OrpoLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  check_input(input, dloss_dlogp, false);
  const std::vector<double> logps = sequence_logps(input.batch, input.policy.logp);
  const std::vector<double> plain = plain_logps(input.batch, input.policy.logp);
  ObjectiveResult result;
  SequenceDerivatives derivatives(input.batch.sequences.size());
  for (const auto& example : input.batch.examples) {
    check_label(example);
    const Sides sides = pair_of(input.batch, example);
    const size_t c = sides.chosen(), r = sides.rejected();
    const double n_c = length_of(input.batch, c), n_r = length_of(input.batch, r);
    const double p_c = logps[c] / n_c, p_r = logps[r] / n_r;
    const LogOddsRatio odds = log_odds_ratio(p_c, p_r);
    const Derived loss = sigmoid_loss(odds.value - example.margin, example.soft_label);
    const double share = beta_ * example.weight / input.divisors.main;
    result.loss += share * loss.value;
    derivatives.by_sum[c] += share * loss.slope * odds.by_chosen / n_c;
    derivatives.by_sum[r] += share * loss.slope * odds.by_rejected / n_r;
    result.example_losses.push_back(beta_ * loss.value +
                                    add_likelihood(term_, input, example, sides, plain, result, derivatives));
    add_pair_metrics({beta_ * p_c, beta_ * p_r, p_c, p_r}, result);
    result.metric_sums["log_odds_ratio"] += log_sigmoid(odds.value);
    result.metric_sums["log_odds_chosen"] += odds.value;
  }
  result.metric_weight = static_cast<double>(input.batch.examples.size());
  derivatives.spread(input.batch, dloss_dlogp);
  return result;
}

}  // namespace afina::dpo
