// SPDX-License-Identifier: Apache-2.0
// The targets of a batch sorted by row: the loss head computes a row's logits once, whatever number of targets it has.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "datasets/batch/packed_batch.h"

namespace afina::model {

/// R distinct rows, ascending, and the targets of each: those of row r are entries [begin[r], begin[r + 1]) of `token`
/// and `target`.
struct TargetIndex {
  std::vector<int> row;     ///< [R]
  std::vector<int> begin;   ///< [R + 1]
  std::vector<int> token;   ///< [M], sorted by row
  std::vector<int> target;  ///< [M], where it stands in PackedBatch::targets
  int64_t rows() const { return static_cast<int64_t>(row.size()); }
  int64_t targets() const { return static_cast<int64_t>(target.size()); }
};

TargetIndex index_targets(std::span<const datasets::Target> targets);

}  // namespace afina::model
