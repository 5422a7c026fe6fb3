// SPDX-License-Identifier: Apache-2.0
// Reward modelling: a score for each answer, trained on pairs.
#pragma once
#include "dpo/objective.h"

namespace afina::dpo {

/// Bradley–Terry on scores s (Ouyang et al. 2022, arXiv:2203.02155, eq. 1), with the margin of Llama 2
/// (arXiv:2307.09288, eq. 2) and the centring of Eisenstein et al. 2023, arXiv:2312.09244, eq. 2:
///   ℓ = −q·log σ(s_c − s_r − m) − (1−q)·log σ(m − s_c + s_r) + k·(s_c + s_r)²,   L = Σ w·ℓ / Σ w over the optimiser
/// batch. The "log-probability" of a target is here its row's score (model/adapter.h): every answer must have exactly
/// one target, at its last row; static weights play no part. Metrics are TRL's: accuracy, margin, and min_reward,
/// mean_reward, max_reward of a micro-batch. Thread-safe.
class RewardLoss final : public Objective {
 public:
  /// center_rewards_coefficient: k >= 0; 0.01 is usual.
  explicit RewardLoss(double center_rewards_coefficient) : centring_(center_rewards_coefficient) {}
  Scope scope() const override { return Scope::pair; }
  bool needs_reference() const override { return false; }
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;

 private:
  double centring_;
};

}  // namespace afina::dpo
