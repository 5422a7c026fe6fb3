// SPDX-License-Identifier: Apache-2.0
// K answers to one prompt, ranked, in one pass.
#pragma once
#include "dpo/objective.h"

namespace afina::dpo {

/// Plackett–Luce on implicit rewards r_k = β·(log π(y_k) − log ref(y_k)), y_0 the best (Rafailov et al. 2023,
/// arXiv:2305.18290, appendix A.3; Plackett 1975, Luce 1959):
///   ℓ = Σ_{k<K−1} [log Σ_{j≥k} e^{r_j} − r_k],   L = Σ w·ℓ / Σ w over the optimiser batch.
/// With K = 2 it is PreferenceLoss's sigmoid, exactly, and takes the pair's soft label and margin; with K > 2 a soft
/// label below 1 or a margin other than 0 is a DataError: neither says which places it is about. Sequences are sides
/// 0..K−1, K >= 2, every K its own. Metrics: rewards/chosen and logps/chosen of the best answer, rewards/rejected and
/// logps/rejected the mean of the others, rewards/margins their difference, rewards/accuracies the share of the
/// K(K−1)/2 pairs in the right order. Thread-safe.
class RankingLoss final : public Objective {
 public:
  explicit RankingLoss(double beta) : beta_(beta) {}
  Scope scope() const override { return Scope::pair; }
  bool needs_reference() const override { return true; }
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;

 private:
  double beta_;
};

}  // namespace afina::dpo
