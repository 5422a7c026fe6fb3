// SPDX-License-Identifier: Apache-2.0
#include "text/bpe.h"

#include <algorithm>
#include <bit>

namespace afina::text {

namespace {

constexpr size_t kShortSymbols = 48;
constexpr MergeTable::Merge kNoMerge{~uint32_t{0}, -1};

}  // namespace

MergeTable::MergeTable(size_t n_merges)
    : keys_(std::bit_ceil(n_merges * 2 + 16), kEmpty), merges_(keys_.size()), mask_(keys_.size() - 1) {}

void MergeTable::insert(int32_t left, int32_t right, Merge merge, bool replaces) {
  const size_t i = slot(key(left, right));
  if (keys_[i] != kEmpty && !replaces) return;
  keys_[i] = key(left, right);
  merges_[i] = merge;
}

void BpeMerger::finish(size_t offset, std::vector<TokenSpan>& out) {
  if (nodes_.size() > kShortSymbols) {
    merge_long();
  } else if (nodes_.size() > 1) {
    merge_short();
  }
  for (const Node& node : nodes_) {
    if (node.id >= 0) out.push_back({node.id, offset + node.begin, offset + node.end});
  }
}

// pairs_[i] is the merge of nodes_[i] and nodes_[i + 1]; both lists shrink together.
void BpeMerger::merge_short() {
  pairs_.clear();
  const auto pair_at = [this](size_t i) {
    const auto* merge = merges_.find(nodes_[i].id, nodes_[i + 1].id);
    return merge == nullptr ? kNoMerge : *merge;
  };
  for (size_t i = 0; i + 1 < nodes_.size(); ++i)
    pairs_.push_back(pair_at(i));
  while (!pairs_.empty()) {
    size_t best = 0;
    for (size_t i = 1; i < pairs_.size(); ++i) {
      if (pairs_[i].rank < pairs_[best].rank) best = i;
    }
    if (pairs_[best].id < 0) return;
    nodes_[best].id = pairs_[best].id;
    nodes_[best].end = nodes_[best + 1].end;
    nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    pairs_.erase(pairs_.begin() + static_cast<std::ptrdiff_t>(best));
    if (best < pairs_.size()) pairs_[best] = pair_at(best);
    if (best > 0) pairs_[best - 1] = pair_at(best - 1);
  }
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

void BpeMerger::merge_long() {
  heap_.clear();
  const auto n = static_cast<int32_t>(nodes_.size());
  for (int32_t i = 0; i < n; ++i) {
    nodes_[static_cast<size_t>(i)].previous = i - 1;
    nodes_[static_cast<size_t>(i)].next = i + 1 < n ? i + 1 : -1;
  }
  for (int32_t i = 0; i + 1 < n; ++i)
    push(i);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), [](const Candidate& a, const Candidate& b) {
      return a.rank != b.rank ? a.rank > b.rank : a.node > b.node;
    });
    const Candidate candidate = heap_.back();
    heap_.pop_back();
    merge(candidate);
  }
}

}  // namespace afina::text
