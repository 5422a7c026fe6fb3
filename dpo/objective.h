// SPDX-License-Identifier: Apache-2.0
// What a loss is to Afina: a function of token log-probabilities that returns its derivatives, in doubles. No LibTorch,
// no model: the same code serves CPU and GPU, and its golden vectors are a handful of numbers.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "datasets/batch/packed_batch.h"

namespace afina::dpo {

/// log-probability in nats of each target of a batch, in the order of PackedBatch::targets, under one model.
struct TokenLogps {
  std::vector<double> logp;
};

/// Reference values of each sequence of a batch: summed (weighted) log-probability in nats, in the order of
/// PackedBatch::sequences.
struct ReferenceLogps {
  std::vector<double> sequence_logp;
};

/// The widest set of rows a value depends on. The batch planner keeps a micro_batch objective's micro-batches as
/// configured.
enum class Scope { sequence, pair, micro_batch };

struct ObjectiveResult {
  double loss = 0.0;                          ///< this micro-batch's share of the optimiser batch's loss: Σ / divisor
  std::map<std::string, double> metric_sums;  ///< TRL's names ("rewards/chosen", …), summed over examples
  double metric_weight = 0.0;                 ///< what to divide metric_sums by
  std::vector<double> example_losses;         ///< one for each example, not divided: traces a loss to its votes
};

class Objective {
 public:
  Objective() = default;
  Objective(const Objective&) = delete;
  Objective& operator=(const Objective&) = delete;
  virtual ~Objective() = default;
  virtual Scope scope() const = 0;
  virtual bool needs_reference() const = 0;
  /// Σ of what the divisor counts in this micro-batch: target weights (SFT) or example weights (preferences).
  virtual double divisor_share(const datasets::PackedBatch& batch) const = 0;
  /// dloss_dlogp: one entry for each target, overwritten. reference may be null where needs_reference() is false.
  /// Thread-safe. Throws InternalError on sizes that disagree.
  virtual ObjectiveResult evaluate(const datasets::PackedBatch& batch, const TokenLogps& policy,
                                   const ReferenceLogps* reference, double divisor,
                                   std::span<double> dloss_dlogp) const = 0;
};

}  // namespace afina::dpo
