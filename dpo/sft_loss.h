// SPDX-License-Identifier: Apache-2.0
// Supervised fine-tuning as an objective: weighted negative log-likelihood of the target tokens.
#pragma once
#include "dpo/objective.h"

namespace afina::dpo {

/// loss = −Σₜ wₜ·log p(tokenₜ) / divisor, divisor = Σₜ wₜ over the whole optimiser batch: the mean over trained tokens
/// however the rows were split. Thread-safe.
class SftLoss final : public Objective {
 public:
  Scope scope() const override { return Scope::sequence; }
  bool needs_reference() const override { return false; }
  double divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const datasets::PackedBatch& batch, const TokenLogps& policy,
                           const ReferenceLogps* reference, double divisor,
                           std::span<double> dloss_dlogp) const override;
};

}  // namespace afina::dpo
