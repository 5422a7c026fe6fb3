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

/// What one model says of each target of a batch, in the order of PackedBatch::targets.
struct TokenLogps {
  std::span<const double> logp;  ///< nats; of a reward model the score of the target's row
  /// log Σᵥ p(v)² at the target's row, for WPO; empty where Objective::needs_sum_p2() is false.
  std::span<const double> log_sum_p2;
};

/// Reference values of each sequence of a batch: summed (weighted) log-probability in nats, in the order of
/// PackedBatch::sequences.
struct ReferenceLogps {
  std::vector<double> sequence_logp;
};

/// The widest set of rows a value depends on. The batch planner keeps a micro_batch objective's micro-batches as
/// configured.
enum class Scope { sequence, pair, micro_batch };

/// One micro-batch as an objective sees it.
struct ObjectiveInput {
  const datasets::PackedBatch& batch;
  TokenLogps policy;
  const ReferenceLogps* reference = nullptr;  ///< null where needs_reference() is false
  datasets::Divisors divisors;                ///< of the whole optimiser batch
  bool training = true;                       ///< false: evaluation, which leaves the objective's state alone
};

struct ObjectiveResult {
  double loss = 0.0;                          ///< this micro-batch's share of the optimiser batch's loss: Σ / divisor
  std::map<std::string, double> metric_sums;  ///< TRL's names ("rewards/chosen", …), summed over examples
  double metric_weight = 0.0;                 ///< what to divide metric_sums by
  /// Of the metrics that are means over something else: what to divide theirs by (KTO's rewards/chosen: the good rows;
  /// nll_loss: tokens). Summed over micro-batches like metric_sums.
  std::map<std::string, double> metric_weights;
  std::vector<double> example_losses;  ///< one for each example, not divided: traces a loss to its votes
};

/// Not thread-safe where it has state (BCO's running mean); evaluation then reads it only.
class Objective {
 public:
  Objective() = default;
  Objective(const Objective&) = delete;
  Objective& operator=(const Objective&) = delete;
  virtual ~Objective() = default;
  virtual Scope scope() const = 0;
  virtual bool needs_reference() const = 0;
  virtual bool needs_sum_p2() const { return false; }
  /// What this micro-batch adds to the divisors: target weights (SFT) or example weights (preferences), and the weights
  /// of the likelihood term's targets.
  virtual datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const = 0;
  /// dloss_dlogp: one entry for each target, overwritten. Throws InternalError on sizes that disagree and DataError
  /// for a batch whose examples are not of the objective's kind.
  virtual ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) = 0;
  /// What a checkpoint keeps of the objective; empty where it has no state. restore() throws DataError for another
  /// length.
  virtual std::vector<double> state() const { return {}; }
  virtual void restore(std::span<const double> state);
};

/// Σ weight·logp of each sequence of the batch.
std::vector<double> sequence_logps(const datasets::PackedBatch& batch, std::span<const double> logp);

}  // namespace afina::dpo
