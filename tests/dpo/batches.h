// SPDX-License-Identifier: Apache-2.0
// Batches of pairs with given completion lengths, one target row each, for tests of objectives.
#pragma once
#include <utility>
#include <vector>

#include "datasets/batch/packed_batch.h"

namespace afina::dpo {

/// lengths: (chosen, rejected) tokens of each pair.
inline datasets::PackedBatch pair_batch(const std::vector<std::pair<int, int>>& lengths) {
  datasets::PackedBatch batch;
  for (size_t i = 0; i < lengths.size(); ++i) {
    datasets::ExampleRef example;
    example.row = static_cast<int64_t>(i);
    example.first_sequence = static_cast<int>(batch.sequences.size());
    example.n_sequences = 2;
    batch.examples.push_back(example);
    for (const int side : {0, 1}) {
      const int n = side == 0 ? lengths[i].first : lengths[i].second;
      const int sequence = static_cast<int>(batch.sequences.size());
      batch.sequences.push_back({static_cast<int>(i), side, static_cast<int>(batch.targets.size()), n});
      for (int t = 0; t < n; ++t)
        batch.targets.push_back({0, 1, sequence, 1.0F});
    }
  }
  return batch;
}

}  // namespace afina::dpo
