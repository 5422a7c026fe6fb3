// SPDX-License-Identifier: Apache-2.0
// Kahneman–Tversky optimisation: single answers judged good or bad.
#pragma once
#include "dpo/objective.h"

namespace afina::dpo {

struct KtoOptions {
  bool zero_point = true;           ///< kto; false: apo_zero_unpaired, which has none
  double beta = 0.1;                ///< > 0
  double desirable_weight = 1.0;    ///< w_D; the paper advises w_D·n_D / (w_U·n_U) in 1..1.33 (eq. 8)
  double undesirable_weight = 1.0;  ///< w_U
};

/// Ethayarajh et al. 2024, arXiv:2402.01306, eq. 7, with r = log π(y|x) − log ref(y|x):
///   ℓ = s·w_D·[1 − σ(β(r − z₀))] + (1−s)·w_U·[1 − σ(β(z₀ − r))],   L = Σ w·ℓ / Σ w over the optimiser batch,
///   z₀ = max(0, mean of log π(y′|x) − log ref(y′|x) over the micro-batch's mismatched answers y′), a constant to the
/// gradient. s: the row's soft label, 1 good, 0 bad (TRL's two cases); between them both in proportion.
/// apo_zero_unpaired (arXiv:2408.06266, eq. 7 unpaired) is z₀ = 0. Scope micro_batch: z₀ is of the micro-batch as
/// configured. Sequence 0 is the answer, sequence 1 the mismatched one (side 1; only kto needs it). Metrics are TRL's,
/// with kl = z₀, in nats. Thread-safe.
class KtoLoss final : public Objective {
 public:
  explicit KtoLoss(KtoOptions options) : options_(options) {}
  Scope scope() const override { return options_.zero_point ? Scope::micro_batch : Scope::sequence; }
  bool needs_reference() const override { return true; }
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;

 private:
  double zero_point(const ObjectiveInput& input, std::span<const double> logps) const;
  KtoOptions options_;
};

}  // namespace afina::dpo
