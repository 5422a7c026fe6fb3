// SPDX-License-Identifier: Apache-2.0
// From token examples to a PackedBatch: SFT rows, pairs and rankings of K answers by one rule, so that a prompt shared
// by several answers is computed once. Not which examples go together: that is the batch source's choice.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
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
/// Unpaired: the prompt as prefix, the answer, and for KTO's KL term the answer of another row.
struct TokenExample {
  std::vector<int> prefix_ids;
  std::vector<TokenSequence> sequences;
  double soft_label = 1.0;            ///< q, 0.5..1; of unpaired rows 0..1
  double margin = 0.0;                ///< m, nats
  double weight = 1.0;                ///< w
  double tie = 0.0;                   ///< t
  std::vector<float> prefix_weights;  ///< of predicting each id of the prefix; empty: the prompt is not trained
  /// Reward model: a sequence's only target is its last row, whose score is trained; weights are ignored.
  bool score = false;

  /// Rows of the packed layout: the prefix once, and every sequence.
  int64_t rows() const;
  /// Targets with a weight; the first token of a sequence without prefix is predicted by nothing and never counts.
  int64_t targets() const;
};

/// SHA-256 of ids and weights, without q, m, w and t: names what a reference value was computed on.
std::string content_hash(const TokenExample& example);

/// A hash of the prompt's ids, equal for equal prompts; 0 where there is none. Of 64 bits: whoever needs to be sure
/// compares the ids.
uint64_t prompt_key(std::span<const int> prefix_ids);

/// share: examples whose prompts are equal share one prompt segment; each has its own otherwise.
enum class SharePrompts { yes, no };

/// Appends examples in the order given. Positions of a sequence go on where its prefix ended; its first token is
/// predicted from the prefix's last row, each further one from the row before; the last row has no target. Sequences of
/// an example: its sides from 0, then the prompt (kPromptSide) where it is trained. Not thread-safe.
class BatchPacker {
 public:
  explicit BatchPacker(SharePrompts share = SharePrompts::yes) : share_(share) {}
  /// row: index of the example in its data set. Throws DataError where weights and ids disagree in number, an example
  /// has no sequence or a sequence no id, or the batch would pass 2^31 rows.
  void add(const TokenExample& example, int64_t row);
  /// The batch so far; the packer is empty afterwards.
  PackedBatch take();

 private:
  int append_segment(const std::vector<int>& ids, int first_position, int prefix_begin, int prefix_length);
  int prefix_of(const std::vector<int>& ids);
  void add_answer(const TokenExample& example, size_t side, int prefix_begin);
  void add_prompt(const TokenExample& example, int prefix_begin);

  SharePrompts share_;
  PackedBatch batch_;
  std::unordered_multimap<uint64_t, std::pair<int, int>> prompts_;  // key -> begin and length of a prompt's segment
};

}  // namespace afina::datasets
