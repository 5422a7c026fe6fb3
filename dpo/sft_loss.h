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
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;
};

}  // namespace afina::dpo
