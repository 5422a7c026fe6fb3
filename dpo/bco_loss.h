// SPDX-License-Identifier: Apache-2.0
// Binary classifier optimisation: single judged answers against the running mean of all rewards.
#pragma once
#include "dpo/objective.h"

namespace afina::dpo {

/// Jung et al. 2024, arXiv:2404.04656, section 4, with r = β·(log π(y|x) − log ref(y|x)):
///   ℓ = −s·log σ(r − δ) − (1−s)·log σ(δ − r),   L = Σ w·ℓ / Σ w over the optimiser batch,
/// δ the mean of every reward seen in training, this micro-batch's included before it is used, as TRL's BCOTrainer:
/// with n rewards of mean μ after c earlier ones, δ += (μ − δ)·n / (c + n). A constant to the gradient. Evaluation uses
/// δ and leaves it. s: the row's soft label, 1 good, 0 bad. BCO's reweighting by a classifier of prompts is not part of
/// it. Scope micro_batch; each example one sequence. Metrics are TRL's, with delta, in nats. Not thread-safe in
/// training.
class BcoLoss final : public Objective {
 public:
  explicit BcoLoss(double beta) : beta_(beta) {}
  Scope scope() const override { return Scope::micro_batch; }
  bool needs_reference() const override { return true; }
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;
  /// {δ, number of rewards seen}.
  std::vector<double> state() const override { return {mean_, count_}; }
  void restore(std::span<const double> state) override;

 private:
  double beta_;
  double mean_ = 0.0;
  double count_ = 0.0;
};

}  // namespace afina::dpo
