// SPDX-License-Identifier: Apache-2.0
// Direct preference optimisation on what annotators really said: soft label q, margin m and weight w for each pair.
#pragma once
#include "dpo/objective.h"

namespace afina::dpo {

/// Rafailov et al. 2023, arXiv:2305.18290, eq. 7, with the label of Mitchell's cDPO note made per pair and the margin
/// of Llama 2 (arXiv:2307.09288, eq. 2). With Δ = (log π(c) − log ref(c)) − (log π(r) − log ref(r)), log-probabilities
/// summed over the completion's targets with their static weights:
///   ℓ = −q·log σ(βΔ − m) − (1−q)·log σ(−βΔ + m),   batch loss Σ w·ℓ / Σ w over the optimiser batch.
/// q = 1, m = 0, w = 1 is TRL's `sigmoid`; β > 0, dimensionless, 0.1 is usual and larger keeps nearer the reference.
/// Every example must be a pair: sequence 0 chosen, sequence 1 rejected. Metrics are TRL's, in nats. Thread-safe.
class DpoLoss final : public Objective {
 public:
  /// Throws UsageError where beta <= 0.
  explicit DpoLoss(double beta);
  Scope scope() const override { return Scope::pair; }
  bool needs_reference() const override { return true; }
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;

 private:
  double beta_;
};

/// ℓ and dℓ/dz of one pair at z = βΔ − m.
struct PairLoss {
  double loss;
  double dloss_dz;
};
PairLoss soft_label_loss(double z, double soft_label);

/// log σ(x) without overflow.
double log_sigmoid(double x);

}  // namespace afina::dpo
