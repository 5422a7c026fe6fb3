// SPDX-License-Identifier: Apache-2.0
#include "text/bpe.h"

#include <algorithm>
#include <bit>

namespace afina::text {

MergeTable::MergeTable(size_t n_merges)
    : keys_(std::bit_ceil(n_merges * 2 + 16), kEmpty), merges_(keys_.size()), mask_(keys_.size() - 1) {}

size_t MergeTable::slot(uint64_t key) const {
  size_t i = static_cast<size_t>((key * 0x9e3779b97f4a7c15ULL) >> 20) & mask_;
  while (keys_[i] != kEmpty && keys_[i] != key)
    i = (i + 1) & mask_;
  return i;
}

void MergeTable::insert(int32_t left, int32_t right, Merge merge) {
  const size_t i = slot(key(left, right));
  if (keys_[i] != kEmpty) return;
  keys_[i] = key(left, right);
  merges_[i] = merge;
}

const MergeTable::Merge* MergeTable::find(int32_t left, int32_t right) const {
  const size_t i = slot(key(left, right));
  return keys_[i] == kEmpty ? nullptr : &merges_[i];
}

void BpeMerger::push(int32_t left) {
  const Node& node = nodes_[static_cast<size_t>(left)];
  if (node.next < 0) return;
  const auto* merge = merges_.find(node.id, nodes_[static_cast<size_t>(node.next)].id);
  if (merge == nullptr) return;
  heap_.push_back({merge->rank, left, merge->id});
  std::push_heap(heap_.begin(), heap_.end(), [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.node > b.node;
  });
}

void BpeMerger::merge(const Candidate& candidate) {
  Node& left = nodes_[static_cast<size_t>(candidate.node)];
  if (left.id < 0 || left.next < 0) return;
  Node& right = nodes_[static_cast<size_t>(left.next)];
  const auto* merge = merges_.find(left.id, right.id);
  if (merge == nullptr || merge->id != candidate.id || merge->rank != candidate.rank) return;
  left.id = merge->id;
  left.end = right.end;
  left.next = right.next;
  right.id = -1;
  if (left.next >= 0) nodes_[static_cast<size_t>(left.next)].previous = candidate.node;
  if (left.previous >= 0) push(left.previous);
  push(candidate.node);
}

void BpeMerger::encode(std::string_view piece, size_t offset, std::vector<TokenSpan>& out) {
  nodes_.clear();
  heap_.clear();
  for (size_t i = 0; i < piece.size(); ++i) {
    int32_t id = byte_ids_[static_cast<unsigned char>(piece[i])];
    if (id < 0) id = unk_id_;
    if (id < 0) continue;
    const auto index = static_cast<int32_t>(nodes_.size());
    if (index > 0) nodes_.back().next = index;
    nodes_.push_back({id, index - 1, -1, static_cast<uint32_t>(i), static_cast<uint32_t>(i + 1)});
  }
  for (size_t i = 0; i + 1 < nodes_.size(); ++i)
    push(static_cast<int32_t>(i));
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), [](const Candidate& a, const Candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.node > b.node;
    });
    const Candidate candidate = heap_.back();
    heap_.pop_back();
    merge(candidate);
  }
  for (const Node& node : nodes_) {
    if (node.id >= 0) out.push_back({node.id, offset + node.begin, offset + node.end});
  }
}

}  // namespace afina::text
