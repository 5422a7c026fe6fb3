// SPDX-License-Identifier: Apache-2.0
// Batches of answers with given lengths, one target row each, for tests of objectives.
#pragma once
#include <utility>
#include <vector>

#include "datasets/batch/packed_batch.h"
#include "dpo/objective.h"

namespace afina::dpo {

/// One sequence of an example: which side, and how many targets.
struct Answer {
  int side = 0;
  int targets = 1;
};

inline datasets::PackedBatch batch_of(const std::vector<std::vector<Answer>>& examples) {
  datasets::PackedBatch batch;
  for (size_t i = 0; i < examples.size(); ++i) {
    datasets::ExampleRef example;
    example.row = static_cast<int64_t>(i);
    example.first_sequence = static_cast<int>(batch.sequences.size());
    example.n_sequences = static_cast<int>(examples[i].size());
    batch.examples.push_back(example);
    for (const auto& [side, n] : examples[i]) {
      const int sequence = static_cast<int>(batch.sequences.size());
      batch.sequences.push_back({static_cast<int>(i), side, static_cast<int>(batch.targets.size()), n});
      for (int t = 0; t < n; ++t)
        batch.targets.push_back({0, 1, sequence, 1.0F});
    }
  }
  return batch;
}

/// lengths: (chosen, rejected) tokens of each pair.
inline datasets::PackedBatch pair_batch(const std::vector<std::pair<int, int>>& lengths) {
  std::vector<std::vector<Answer>> examples;
  for (const auto& [chosen, rejected] : lengths)
    examples.push_back({{0, chosen}, {1, rejected}});
  return batch_of(examples);
}

/// Token log-probabilities that add up to `sums`, each sequence's shared evenly.
inline std::vector<double> spread(const datasets::PackedBatch& batch, const std::vector<double>& sums) {
  std::vector<double> out;
  for (const auto& target : batch.targets) {
    const auto s = static_cast<size_t>(target.sequence);
    out.push_back(sums[s] / batch.sequences[s].n_targets);
  }
  return out;
}

/// The batch as a whole optimiser batch, in evaluation unless training.
inline ObjectiveResult evaluate(Objective& objective, const datasets::PackedBatch& batch,
                                const std::vector<double>& logps, const std::vector<double>& reference,
                                std::vector<double>* derivatives = nullptr,
                                const std::vector<double>& log_sum_p2 = {}) {
  std::vector<double> local(batch.targets.size());
  const ReferenceLogps values{reference};
  const auto result = objective.evaluate({.batch = batch,
                                          .policy = {logps, log_sum_p2},
                                          .reference = objective.needs_reference() ? &values : nullptr,
                                          .divisors = objective.divisor_share(batch),
                                          .training = false},
                                         local);
  if (derivatives != nullptr) *derivatives = local;
  return result;
}

/// A metric as it is recorded: its mean.
inline double metric(const ObjectiveResult& result, const std::string& name) {
  const auto own = result.metric_weights.find(name);
  return result.metric_sums.at(name) / (own == result.metric_weights.end() ? result.metric_weight : own->second);
}

}  // namespace afina::dpo
