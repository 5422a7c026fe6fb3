// SPDX-License-Identifier: Apache-2.0
// Small packed batches for the tests of this room.
#pragma once
#include <random>
#include <vector>

#include "datasets/batch/packed_batch.h"

namespace afina::model {

/// Appends ids as a segment; with a prefix, positions continue after it. Returns the segment's index.
inline int add_segment(datasets::PackedBatch& batch, const std::vector<int>& ids, int prefix_segment = -1) {
  datasets::Segment s{static_cast<int>(batch.rows()), static_cast<int>(ids.size()), 0, 0};
  if (prefix_segment >= 0) {
    s.prefix_begin = batch.segments[static_cast<size_t>(prefix_segment)].begin;
    s.prefix_length = batch.segments[static_cast<size_t>(prefix_segment)].length;
  }
  for (size_t i = 0; i < ids.size(); ++i)
    batch.positions.push_back(s.prefix_length + static_cast<int>(i));
  batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
  batch.segments.push_back(s);
  return static_cast<int>(batch.segments.size()) - 1;
}

/// Adds a sequence that predicts tokens[i] from rows[i].
inline void add_targets(datasets::PackedBatch& batch, const std::vector<int>& rows, const std::vector<int>& tokens) {
  const auto sequence = static_cast<int>(batch.sequences.size());
  batch.examples.push_back({sequence, sequence, 1});
  batch.sequences.push_back({sequence, 0, static_cast<int>(batch.targets.size()), static_cast<int>(rows.size())});
  for (size_t i = 0; i < rows.size(); ++i)
    batch.targets.push_back({rows[i], tokens[i], sequence, 1.0F});
}

/// One text, every next token a target.
inline datasets::PackedBatch whole_text(const std::vector<int>& ids) {
  datasets::PackedBatch batch;
  add_segment(batch, ids);
  std::vector<int> rows, tokens;
  for (size_t i = 0; i + 1 < ids.size(); ++i)
    rows.push_back(static_cast<int>(i)), tokens.push_back(ids[i + 1]);
  add_targets(batch, rows, tokens);
  return batch;
}

inline std::vector<int> random_ids(int n, int vocab, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<int> ids(static_cast<size_t>(n));
  for (int& id : ids)
    id = static_cast<int>(generator() % static_cast<unsigned>(vocab));
  return ids;
}

}  // namespace afina::model
