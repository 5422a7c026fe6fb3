// SPDX-License-Identifier: Apache-2.0
// How objectives read a batch: which sequence of an example is which answer, and what a loss by sequences is by
// targets.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "datasets/batch/packed_batch.h"
#include "dpo/objective.h"

namespace afina::dpo {

/// Indices into PackedBatch::sequences of one example's parts.
struct Sides {
  std::vector<size_t> answers;   ///< by side, 0 first, none missing
  std::optional<size_t> prompt;  ///< kPromptSide
  size_t chosen() const { return answers[0]; }
  size_t rejected() const { return answers[1]; }
};

/// Throws DataError naming the row unless the example's answers are sides 0, 1, …, at least `fewest` and at most
/// `most`.
Sides sides_of(const datasets::PackedBatch& batch, const datasets::ExampleRef& example, size_t fewest, size_t most);
/// Throws DataError "[dpo.batch] row N must …, but got …." with the hint.
[[noreturn]] void refuse_row(const datasets::ExampleRef& example, std::string_view must, std::string_view got,
                             std::string_view hint = "");
/// Throws DataError for a soft label outside 0..1 or a margin or weight that is not finite.
void check_label(const datasets::ExampleRef& example);

/// Σ example weights: the main divisor of every preference objective.
double example_weights(const datasets::PackedBatch& batch);

/// The sizes that every objective but SFT relies on; InternalError otherwise.
void check_input(const ObjectiveInput& input, std::span<const double> dloss_dlogp, bool needs_reference);

/// Σ logp of each sequence, every target counted once whatever its static weight (likelihood terms, WPO).
std::vector<double> plain_logps(const datasets::PackedBatch& batch, std::span<const double> logp);

/// dL of each sequence by its weighted and by its plain sum of log-probabilities.
class SequenceDerivatives {
 public:
  explicit SequenceDerivatives(size_t sequences) : by_sum(sequences, 0.0), by_plain_sum(sequences, 0.0) {}
  std::vector<double> by_sum, by_plain_sum;
  /// dL/dlogp of each target; overwrites `out`.
  void spread(const datasets::PackedBatch& batch, std::span<double> out) const;
};

/// Number of targets of a sequence, at least 1: what a length-averaged log-probability is divided by.
double length_of(const datasets::PackedBatch& batch, size_t sequence);

/// What TRL logs of a pair: rewards and log-probabilities in nats.
struct PairMetrics {
  double reward_chosen = 0.0, reward_rejected = 0.0, logp_chosen = 0.0, logp_rejected = 0.0;
};
/// Adds rewards/chosen, rewards/rejected, rewards/margins, logps/chosen and logps/rejected to the sums, and accuracy
/// (of a pair 1 where the chosen reward is strictly above the other) as rewards/accuracies.
void add_pair_metrics(const PairMetrics& pair, double accuracy, ObjectiveResult& result);
inline void add_pair_metrics(const PairMetrics& pair, ObjectiveResult& result) {
  add_pair_metrics(pair, pair.reward_chosen > pair.reward_rejected ? 1.0 : 0.0, result);
}

}  // namespace afina::dpo
