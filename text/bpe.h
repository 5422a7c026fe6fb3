// SPDX-License-Identifier: Apache-2.0
// The merge loop of BPE over one piece: the adjacent pair of lowest rank first, leftmost on ties (Sennrich et al. 2016,
// as in Hugging Face tokenizers). Short pieces by scanning, long ones by a heap in O(n log n), so that a piece of a
// million characters is no attack.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace afina::text {

/// Pair of ids → rank and merged id; open addressing over a power of two.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  explicit MergeTable(size_t n_merges);
  /// Of two merges of one pair the last stands if `replaces`, else the first.
  void insert(int32_t left, int32_t right, Merge merge, bool replaces);
  /// Null where the pair does not merge.
  const Merge* find(int32_t left, int32_t right) const {
    const size_t i = slot(key(left, right));
    return keys_[i] == kEmpty ? nullptr : &merges_[i];
  }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  static uint64_t key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot(uint64_t key) const {
    size_t i = static_cast<size_t>((key * 0x9e3779b97f4a7c15ULL) >> 20) & mask_;
    while (keys_[i] != kEmpty && keys_[i] != key)
      i = (i + 1) & mask_;
    return i;
  }

  std::vector<uint64_t> keys_;
  std::vector<Merge> merges_;
  size_t mask_;
};

/// Buffers of one encode call, reused from piece to piece.
class BpeMerger {
 public:
  explicit BpeMerger(const MergeTable& merges) : merges_(merges) {}

  void clear() { nodes_.clear(); }
  /// The next symbol of the piece and its bytes. Pieces below 2 GiB.
  void add(int32_t id, size_t begin, size_t end) {
    nodes_.push_back({id, 0, 0, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  }
  /// Merges all there is to merge and appends the tokens, `offset` added to their bytes.
  void finish(size_t offset, std::vector<TokenSpan>& out);

 private:
  struct Node {
    int32_t id;  // -1: merged into the one before
    int32_t previous;
    int32_t next;
    uint32_t begin;
    uint32_t end;
  };
  struct Candidate {
    uint32_t rank;
    int32_t node;  // left one
    int32_t id;    // merged
  };
  void merge_short();
  void merge_long();
  void push(int32_t left);
  void merge(const Candidate& candidate);

  const MergeTable& merges_;
  std::vector<Node> nodes_;
  std::vector<MergeTable::Merge> pairs_;
  std::vector<Candidate> heap_;
};

}  // namespace afina::text
