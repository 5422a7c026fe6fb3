// SPDX-License-Identifier: Apache-2.0
#include "datasets/batch/packed_batch.h"

#include "base/error.h"

namespace afina::datasets {
namespace {

void require(bool holds, const char* what, size_t index) {
  if (!holds) throw DataError(cat("[datasets.batch] must ", what, ", but entry ", index, " does not."));
}

void validate_segments(const PackedBatch& batch) {
  int next = 0;
  for (size_t i = 0; i < batch.segments.size(); ++i) {
    const auto& s = batch.segments[i];
    require(s.begin == next && s.length > 0, "cover the rows with segments in order", i);
    require(s.prefix_length >= 0 &&
                (s.prefix_length == 0 || (s.prefix_begin >= 0 && s.prefix_begin + s.prefix_length <= s.begin)),
            "have prefixes that end before their segment", i);
    next = s.begin + s.length;
  }
  require(next == batch.rows(), "cover every row with a segment", batch.segments.size());
}

}  // namespace

void validate(const PackedBatch& batch, int vocab_size) {
  require(batch.positions.size() == batch.ids.size(), "have a position for each id", batch.positions.size());
  for (size_t i = 0; i < batch.ids.size(); ++i) {
    require(batch.ids[i] >= 0 && batch.ids[i] < vocab_size, "have ids within the vocabulary", i);
    require(batch.positions[i] >= 0, "have positions of at least 0", i);
  }
  validate_segments(batch);
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    const auto& t = batch.targets[i];
    require(t.row >= 0 && t.row < batch.rows(), "have targets on rows of the batch", i);
    require(t.token >= 0 && t.token < vocab_size, "have target tokens within the vocabulary", i);
    require(t.sequence >= 0 && t.sequence < static_cast<int>(batch.sequences.size()), "have targets of known sequences",
            i);
  }
  int next_target = 0;
  for (size_t i = 0; i < batch.sequences.size(); ++i) {
    const auto& s = batch.sequences[i];
    require(s.example >= 0 && s.example < static_cast<int>(batch.examples.size()), "have sequences of known examples",
            i);
    require(s.first_target == next_target && s.n_targets >= 0, "list targets sequence by sequence", i);
    for (int t = s.first_target; t < s.first_target + s.n_targets; ++t) {
      require(t < static_cast<int>(batch.targets.size()) &&
                  batch.targets[static_cast<size_t>(t)].sequence == static_cast<int>(i),
              "have targets that name their sequence", i);
    }
    next_target += s.n_targets;
  }
  require(next_target == static_cast<int>(batch.targets.size()), "give every target to a sequence",
          batch.sequences.size());
}

}  // namespace afina::datasets
