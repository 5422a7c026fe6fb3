// SPDX-License-Identifier: Apache-2.0
#include "dpo/preference_loss.h"

#include <algorithm>

#include "base/error.h"
#include "dpo/sorted_losses.h"
#include "dpo/wpo.h"

namespace afina::dpo {
namespace {

Label tie_label(const datasets::ExampleRef& example) {
  const Label label{example.soft_label, example.tie};
  constexpr double kRounding = 1e-9;
  if (!(label.tie >= 0.0) || label.win() < -kRounding || label.loss() < -kRounding)
    refuse_row(example, "have a tie share of at least 0 and at most twice the smaller of q and 1 − q",
               cat(label.tie, " with q ", label.q));
  return label;
}

void check_unlabelled(const datasets::ExampleRef& example) {
  if (example.soft_label != 1.0 || example.margin != 0.0 || example.weight != 1.0)
    refuse_row(example, "have soft label 1, margin 0 and weight 1 for aot, which compares sorted samples, not pairs",
               cat(example.soft_label, ", ", example.margin, " and ", example.weight),
               "set label_mode=hard, or take another loss_type");
}

}  // namespace

PreferenceLoss::PreferenceLoss(PreferenceOptions options) : options_(std::move(options)) {}

Scope PreferenceLoss::scope() const {
  const bool sorts = std::any_of(options_.types.begin(), options_.types.end(),
                                 [](const WeightedType& t) { return info(t.type).reads == Reads::sorted; });
  return sorts ? Scope::micro_batch : Scope::pair;
}

LikelihoodTerm PreferenceLoss::likelihood_term() const {
  LikelihoodTerm term{0.0, false};
  for (const auto& [type, weight] : options_.types)
    if (type == LossType::sft) term.weight += weight;
  return term;
}

datasets::Divisors PreferenceLoss::divisor_share(const datasets::PackedBatch& batch) const {
  datasets::Divisors out{.main = example_weights(batch)};
  const LikelihoodTerm term = likelihood_term();
  for (const auto& example : batch.examples)
    out.nll += likelihood_divisor(term, batch, example, sides_of(batch, example, 2, 2));
  return out;
}

std::vector<PreferenceLoss::Pair> PreferenceLoss::pairs_of(const ObjectiveInput& input,
                                                           std::span<const double> logps) const {
  const auto& reference = input.reference->sequence_logp;
  std::vector<double> omega;
  if (options_.use_weighting) omega = wpo_weights(input.batch, input.policy);
  std::vector<Pair> pairs;
  for (const auto& example : input.batch.examples) {
    check_label(example);
    Pair pair{.example = &example, .sides = sides_of(input.batch, example, 2, 2)};
    const size_t c = pair.sides.chosen(), r = pair.sides.rejected();
    pair.a = logps[c] - reference[c];
    pair.d = logps[r] - reference[r];
    pair.score_a = divergence_score(options_.divergence, options_.alpha, pair.a);
    pair.score_d = divergence_score(options_.divergence, options_.alpha, pair.d);
    pair.n_a = length_of(input.batch, c);
    pair.n_d = length_of(input.batch, r);
    if (options_.use_weighting) pair.omega = omega[c] * omega[r];
    pair.share = example.weight * pair.omega / input.divisors.main;
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

Derived PreferenceLoss::margin_loss(LossType type, double z, const datasets::ExampleRef& example) const {
  const double q = example.soft_label, e = options_.label_smoothing;
  switch (type) {
    case LossType::hinge:
      return hinge_loss(z, q);
    case LossType::ipo:
      return ipo_loss(z, q, options_.beta);
    case LossType::exo_pair:
      return exo_loss(z, smoothed(q, e));
    case LossType::robust:
      return robust_loss(z, q, e);
    case LossType::discopop:
      return discopop_loss(z, q, options_.discopop_tau);
    case LossType::davidson:
      return davidson_loss(z, tie_label(example), options_.tie_parameter);
    case LossType::rao_kupper:
      return rao_kupper_loss(z, tie_label(example), options_.tie_parameter);
    default:
      return sigmoid_loss(z, smoothed(q, e));
  }
}

void PreferenceLoss::add_margin(const WeightedType& type, Pair& pair) const {
  const bool mean = info(type.type).reads == Reads::mean_margin;
  const double per_a = options_.beta / (mean ? pair.n_a : 1.0), per_d = options_.beta / (mean ? pair.n_d : 1.0);
  const double z = per_a * pair.score_a.value - per_d * pair.score_d.value - pair.example->margin;
  const Derived loss = margin_loss(type.type, z, *pair.example);
  pair.loss += type.weight * pair.omega * loss.value;
  pair.by_a += type.weight * loss.slope * per_a * pair.score_a.slope;
  pair.by_d -= type.weight * loss.slope * per_d * pair.score_d.slope;
}

RewardsLoss PreferenceLoss::rewards_loss(LossType type, double x, double y) const {
  switch (type) {
    case LossType::nca_pair:
      return nca_loss(x, y);
    case LossType::sppo_hard:
      return sppo_hard_loss(x, y, options_.beta);
    case LossType::apo_zero:
      return apo_zero_loss(x, y);
    case LossType::apo_down:
      return apo_down_loss(x, y);
    default:
      return bco_pair_loss(x, y);
  }
}

void PreferenceLoss::add_rewards(const WeightedType& type, Pair& pair) const {
  const double half = pair.example->margin / 2, q = pair.example->soft_label;
  const double x = options_.beta * pair.a - half, y = options_.beta * pair.d + half;
  const auto add = [&](double share, const RewardsLoss& loss, double& by_x, double& by_y) {
    pair.loss += type.weight * pair.omega * share * loss.value;
    by_x += type.weight * options_.beta * share * loss.by_chosen;
    by_y += type.weight * options_.beta * share * loss.by_rejected;
  };
  add(q, rewards_loss(type.type, x, y), pair.by_a, pair.by_d);
  if (q < 1.0) add(1.0 - q, rewards_loss(type.type, y, x), pair.by_d, pair.by_a);
}

void PreferenceLoss::add_sorted(const WeightedType& type, const ObjectiveInput& input, std::span<const double> logps,
                                std::vector<Pair>& pairs) const {
  const auto& reference = input.reference->sequence_logp;
  const bool paired = type.type == LossType::aot;
  std::vector<double> u, v;
  for (const auto& pair : pairs) {
    check_unlabelled(*pair.example);
    const size_t c = pair.sides.chosen(), r = pair.sides.rejected();
    u.push_back(paired ? logps[c] - logps[r] : pair.a);
    v.push_back(paired ? reference[c] - reference[r] : pair.d);
  }
  const SortedLoss loss = sorted_loss(u, v, options_.beta, options_.label_smoothing);
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].loss += type.weight * loss.value[i];
    pairs[i].by_a += type.weight * loss.by_u[i];
    pairs[i].by_d += type.weight * (paired ? -loss.by_u[i] : loss.by_v[i]);
  }
}

ObjectiveResult PreferenceLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  check_input(input, dloss_dlogp, true);
  const std::vector<double> logps = sequence_logps(input.batch, input.policy.logp);
  std::vector<Pair> pairs = pairs_of(input, logps);
  for (const auto& type : options_.types) {
    const Reads reads = info(type.type).reads;
    if (reads == Reads::sorted) add_sorted(type, input, logps, pairs);
    for (auto& pair : pairs) {
      if (reads == Reads::margin || reads == Reads::mean_margin) add_margin(type, pair);
      if (reads == Reads::rewards) add_rewards(type, pair);
    }
  }
  ObjectiveResult result;
  SequenceDerivatives derivatives(input.batch.sequences.size());
  const LikelihoodTerm term = likelihood_term();
  const std::vector<double> plain = plain_logps(input.batch, input.policy.logp);
  for (const Pair& pair : pairs) {
    const size_t c = pair.sides.chosen(), r = pair.sides.rejected();
    result.loss += pair.example->weight / input.divisors.main * pair.loss;
    derivatives.by_sum[c] += pair.share * pair.by_a;
    derivatives.by_sum[r] += pair.share * pair.by_d;
    result.example_losses.push_back(pair.loss +
                                    add_likelihood(term, input, *pair.example, pair.sides, plain, result, derivatives));
    add_pair_metrics({options_.beta * pair.a, options_.beta * pair.d, logps[c], logps[r]}, result);
  }
  result.metric_weight = static_cast<double>(pairs.size());
  derivatives.spread(input.batch, dloss_dlogp);
  return result;
}

}  // namespace afina::dpo
