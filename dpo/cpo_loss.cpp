// SPDX-License-Identifier: Apache-2.0
#include "dpo/cpo_loss.h"

#include "dpo/margin_losses.h"

namespace afina::dpo {
namespace {

Derived pair_loss(const CpoOptions& options, double z, double q) {
  switch (options.type) {
    case CpoType::hinge:
      return hinge_loss(z, q);
    case CpoType::ipo:
      return ipo_loss(z, q, options.beta);
    case CpoType::simpo:
      return sigmoid_loss(z - options.simpo_gamma, smoothed(q, options.label_smoothing));
    default:
      return sigmoid_loss(z, smoothed(q, options.label_smoothing));
  }
}

}  // namespace

datasets::Divisors CpoLoss::divisor_share(const datasets::PackedBatch& batch) const {
  datasets::Divisors out{.main = example_weights(batch)};
  for (const auto& example : batch.examples)
    out.nll += likelihood_divisor(term_, batch, example, sides_of(batch, example, 2, 2));
  return out;
}

ObjectiveResult CpoLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  check_input(input, dloss_dlogp, false);
  const bool averages = options_.type == CpoType::ipo || options_.type == CpoType::simpo;
  const double beta = options_.beta;
  const std::vector<double> logps = sequence_logps(input.batch, input.policy.logp);
  const std::vector<double> plain = plain_logps(input.batch, input.policy.logp);
  ObjectiveResult result;
  SequenceDerivatives derivatives(input.batch.sequences.size());
  for (const auto& example : input.batch.examples) {
    check_label(example);
    const Sides sides = sides_of(input.batch, example, 2, 2);
    const size_t c = sides.chosen(), r = sides.rejected();
    const double n_c = averages ? length_of(input.batch, c) : 1.0, n_r = averages ? length_of(input.batch, r) : 1.0;
    const double p_c = logps[c] / n_c, p_r = logps[r] / n_r;
    const Derived loss = pair_loss(options_, beta * (p_c - p_r) - example.margin, example.soft_label);
    const double share = example.weight / input.divisors.main;
    result.loss += share * loss.value;
    derivatives.by_sum[c] += share * beta * loss.slope / n_c;
    derivatives.by_sum[r] -= share * beta * loss.slope / n_r;
    result.example_losses.push_back(loss.value +
                                    add_likelihood(term_, input, example, sides, plain, result, derivatives));
    add_pair_metrics({beta * p_c, beta * p_r, p_c, p_r}, result);
  }
  result.metric_weight = static_cast<double>(input.batch.examples.size());
  derivatives.spread(input.batch, dloss_dlogp);
  return result;
}

}  // namespace afina::dpo
