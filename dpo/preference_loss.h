// SPDX-License-Identifier: Apache-2.0
// Direct preference optimisation: every offline loss type of TRL and the models of ties, alone or summed, on what
// annotators really said: soft label q, tie share, margin m and weight w for each pair.
#pragma once
#include <vector>

#include "dpo/f_divergence.h"
#include "dpo/likelihood.h"
#include "dpo/loss_types.h"
#include "dpo/margin_losses.h"
#include "dpo/reward_losses.h"

namespace afina::dpo {

struct WeightedType {
  LossType type = LossType::sigmoid;
  double weight = 1.0;
};

struct PreferenceOptions {
  std::vector<WeightedType> types = {{}};  ///< any but plackett_luce
  double beta = 0.1;                       ///< > 0; 0.1 is usual, larger keeps nearer the reference
  double label_smoothing = 0.0;            ///< 0 <= e < 0.5, of the types that smooth
  Divergence divergence = Divergence::reverse_kl;
  double alpha = 0.5;  ///< of alpha_divergence
  bool use_weighting = false;
  double discopop_tau = 0.05;
  double tie_parameter = 1.0;
};

/// With a = log π(c) − log ref(c), d the same of the rejected answer, log-probabilities summed over the targets with
/// their static weights (LD-DPO, arXiv:2409.06411, is such weights), Δ = s(a) − s(d), and for each type k the formula
/// and paper at its function (margin_losses.h, reward_losses.h, sorted_losses.h, likelihood.h):
///   L = Σₖ λₖ·Σ w·ω·ℓₖ / Σ w over the optimiser batch, a soft label q mixing ℓₖ(c, r, m) with ℓₖ(r, c, −m).
/// ω = 1, or WPO's product of the two answers' weights; the likelihood term sft has its own divisor and no ω. Smoothing
/// makes q' = (1−e)q + e(1−q) of sigmoid, sigmoid_norm and exo_pair (TRL smooths exo_pair alone of these; robust and
/// aot have formulas with e). aot and aot_unpaired have scope micro_batch and refuse q < 1, m ≠ 0 and w ≠ 1: a sorted
/// sample has no pairs to label. Every example must be a pair. Metrics are TRL's, in nats. Thread-safe.
class PreferenceLoss : public Objective {
 public:
  /// options are checked by problems() (make_objective.h).
  explicit PreferenceLoss(PreferenceOptions options);
  Scope scope() const override;
  bool needs_reference() const override { return true; }
  bool needs_sum_p2() const override { return options_.use_weighting; }
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;

 private:
  struct Pair {
    const datasets::ExampleRef* example = nullptr;
    Sides sides;
    double a = 0.0, d = 0.0;        ///< log-ratios
    Derived score_a, score_d;       ///< s(a), s(d)
    double n_a = 1.0, n_d = 1.0;    ///< targets
    double share = 0.0;             ///< w·ω / Σ w
    double omega = 1.0;             ///< WPO
    double loss = 0.0;              ///< Σₖ λₖ·ω·ℓₖ
    double by_a = 0.0, by_d = 0.0;  ///< of that, without ω
  };
  std::vector<Pair> pairs_of(const ObjectiveInput& input, std::span<const double> logps) const;
  void add_margin(const WeightedType& type, Pair& pair) const;
  void add_rewards(const WeightedType& type, Pair& pair) const;
  void add_sorted(const WeightedType& type, const ObjectiveInput& input, std::span<const double> logps,
                  std::vector<Pair>& pairs) const;
  Derived margin_loss(LossType type, double z, const datasets::ExampleRef& example) const;
  RewardsLoss rewards_loss(LossType type, double x, double y) const;
  LikelihoodTerm likelihood_term() const;

  PreferenceOptions options_;
};

}  // namespace afina::dpo
