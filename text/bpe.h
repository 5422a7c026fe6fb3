// SPDX-License-Identifier: Apache-2.0
// The merge loop of byte-level BPE over one piece: the adjacent pair of lowest rank first, leftmost on ties (Sennrich
// et al. 2016, as in Hugging Face tokenizers). O(n log n) by a heap, so a piece of a million bytes is no attack.
#pragma once
#include <array>
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
  /// The first rank of a pair stands; a later one is ignored.
  void insert(int32_t left, int32_t right, Merge merge);
  /// Null where the pair does not merge.
  const Merge* find(int32_t left, int32_t right) const;

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  static uint64_t key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t slot(uint64_t key) const;

  std::vector<uint64_t> keys_;
  std::vector<Merge> merges_;
  size_t mask_;
};

/// Buffers of one encode call, reused from piece to piece.
class BpeMerger {
 public:
  /// byte_ids: the id of each single byte, or -1; those bytes become unk_id, or nothing where that is -1.
  BpeMerger(const MergeTable& merges, const std::array<int32_t, 256>& byte_ids, int32_t unk_id)
      : merges_(merges), byte_ids_(byte_ids), unk_id_(unk_id) {}
  /// Appends the tokens of the piece; offset is the piece's first byte in the text. Pieces below 2 GiB.
  void encode(std::string_view piece, size_t offset, std::vector<TokenSpan>& out);

 private:
  struct Node {
    int32_t id;
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
  void push(int32_t left);
  void merge(const Candidate& candidate);

  const MergeTable& merges_;
  const std::array<int32_t, 256>& byte_ids_;
  int32_t unk_id_;
  std::vector<Node> nodes_;
  std::vector<Candidate> heap_;
};

}  // namespace afina::text
