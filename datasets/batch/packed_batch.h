// SPDX-License-Identifier: Apache-2.0
// The one batch layout of training: packed segments without padding. SFT rows, preference pairs that share a prompt and
// K ranked answers are the same structure. Plain structs: no LibTorch, no database, no tokenizer.
#pragma once
#include <cstdint>
#include <vector>

namespace afina::datasets {

/// Rows [begin, begin+length) attend causally to each other and wholly to rows [prefix_begin,
/// prefix_begin+prefix_length). A prefix is an earlier segment of the same batch that itself has no prefix
/// (prefix_length 0 means none).
struct Segment {
  int begin = 0;
  int length = 0;
  int prefix_begin = 0;
  int prefix_length = 0;
};

/// "Predict `token` from the hidden state of `row`". The first token of a completion is predicted from the last row of
/// its prompt, so two answers can have targets on one row.
struct Target {
  int row = 0;
  int token = 0;
  int sequence = 0;     ///< index into PackedBatch::sequences
  float weight = 1.0F;  ///< static weight: per message (SFT), position (LD-DPO)
};

inline constexpr int kPromptSide = -1;

/// One completion whose target log-probabilities are summed together; targets of a sequence are contiguous.
struct Sequence {
  int example = 0;  ///< index into PackedBatch::examples
  /// 0 = SFT row, unpaired, chosen or best answer; 1 = rejected, or the mismatched answer of an unpaired row (KTO's KL
  /// term); k = k-th ranked answer; kPromptSide = the prompt itself, where an objective trains it (ORPO).
  int side = 0;
  int first_target = 0;
  int n_targets = 0;
};

/// One training example: an SFT row, a pair or a ranking.
struct ExampleRef {
  int64_t row = 0;  ///< index of the row in its data set, for messages and for lineage
  int first_sequence = 0;
  int n_sequences = 1;
  double soft_label = 1.0;  ///< q: probability that side 0 is better, 0.5..1; of unpaired rows that it is good, 0..1
  double tie = 0.0;         ///< share of judgements that called both equal, 0..1; a part of q: win = q − tie/2
  double margin = 0.0;      ///< m, nats
  double weight = 1.0;      ///< w
};

/// Rows of one forward pass. ids, positions: one entry a row; positions restart with each document and continue after a
/// prefix.
struct PackedBatch {
  std::vector<int> ids;
  std::vector<int> positions;
  std::vector<Segment> segments;
  std::vector<Target> targets;
  std::vector<Sequence> sequences;
  std::vector<ExampleRef> examples;
  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
};

/// What the sums of a loss are divided by, over all of an optimiser batch and known before its first backward, so that
/// any split into micro-batches gives one loss and one gradient.
struct Divisors {
  double main = 0.0;  ///< Σ target weights (SFT) or Σ example weights (preferences)
  double nll = 0.0;   ///< Σ target weights of a likelihood term beside the main one (DPO's sft, ORPO, CPO); else 0
  Divisors& operator+=(const Divisors& other) {
    main += other.main;
    nll += other.nll;
    return *this;
  }
};

/// Everything between two optimiser steps.
struct OptimiserBatch {
  std::vector<PackedBatch> micro;
  Divisors divisors;
};

/// Throws DataError "[datasets.batch] must …" where an index, a length or an order does not hold (vocab_size bounds the
/// ids).
void validate(const PackedBatch& batch, int vocab_size);

}  // namespace afina::datasets
