// SPDX-License-Identifier: Apache-2.0
// From token examples to a PackedBatch: SFT rows, pairs and rankings of K answers by one rule, so that a prompt shared
// by several answers is computed once. Not which examples go together: that is the batch source's choice.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "datasets/batch/packed_batch.h"

namespace afina::datasets {

/// One answer (or a whole SFT row) in ids. weights[t] is the weight of predicting ids[t]; 0 means that it is not
/// trained.
struct TokenSequence {
  std::vector<int> ids;
  std::vector<float> weights;
};

/// One training example. SFT: no prefix, one sequence. Pair: the prompt as prefix, chosen, then rejected. K answers: K.
struct TokenExample {
  std::vector<int> prefix_ids;
  std::vector<TokenSequence> sequences;
  double soft_label = 1.0;  ///< q, 0.5..1
  double margin = 0.0;      ///< m, nats
  double weight = 1.0;      ///< w

  /// Rows of the packed layout: the prefix once, and every sequence.
  int64_t rows() const;
  /// Targets with a weight; the first token of a sequence without prefix is predicted by nothing and never counts.
  int64_t targets() const;
};

/// SHA-256 of ids and weights, without q, m and w: names what a reference value was computed on.
std::string content_hash(const TokenExample& example);

/// Appends examples in the order given. Positions of a sequence go on where its prefix ended; its first token is
/// predicted from the prefix's last row, each further one from the row before; the last row has no target. Not
/// thread-safe.
class BatchPacker {
 public:
  /// row: index of the example in its data set. Throws DataError where weights and ids disagree in number, an example
  /// has no sequence or a sequence no id, or the batch would pass 2^31 rows.
  void add(const TokenExample& example, int64_t row);
  /// The batch so far; the packer is empty afterwards.
  PackedBatch take();

 private:
  int append_segment(const std::vector<int>& ids, int first_position, int prefix_begin, int prefix_length);

  PackedBatch batch_;
};

}  // namespace afina::datasets
