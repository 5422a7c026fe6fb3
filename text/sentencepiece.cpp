// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece.h"

#include <algorithm>

#include "text/code_point.h"

namespace afina::text {

void SentencePieceMerger::push(std::string_view text, int32_t left, int32_t right) {
  if (left < 0 || right < 0) return;
  const Symbol& a = symbols_[static_cast<size_t>(left)];
  const Symbol& b = symbols_[static_cast<size_t>(right)];
  const int32_t id = tokens_.find(text.substr(a.begin, a.length + b.length));
  if (id < 0) return;
  heap_.push_back({scores_[static_cast<size_t>(id)], left, right, a.length + b.length});
  std::push_heap(heap_.begin(), heap_.end(), is_worse);
}

void SentencePieceMerger::encode(std::string_view text, std::vector<TokenSpan>& out) {
  symbols_.clear();
  heap_.clear();
  for (size_t pos = 0; pos < text.size();) {
    const size_t length = decode_at(text, pos).length_bytes;
    const auto index = static_cast<int32_t>(symbols_.size());
    const int32_t next = pos + length < text.size() ? index + 1 : -1;
    symbols_.push_back({index - 1, next, static_cast<uint32_t>(pos), static_cast<uint32_t>(length)});
    pos += length;
  }
  for (size_t i = 1; i < symbols_.size(); ++i)
    push(text, static_cast<int32_t>(i) - 1, static_cast<int32_t>(i));
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), is_worse);
    const Candidate best = heap_.back();
    heap_.pop_back();
    Symbol& left = symbols_[static_cast<size_t>(best.left)];
    Symbol& right = symbols_[static_cast<size_t>(best.right)];
    if (left.length == 0 || right.length == 0 || left.length + right.length != best.length) continue;
    left.length += right.length;
    right.length = 0;
    left.next = right.next;
    if (right.next >= 0) symbols_[static_cast<size_t>(right.next)].previous = best.left;
    push(text, left.previous, best.left);
    push(text, best.left, left.next);
  }
  for (const Symbol& symbol : symbols_) {
    if (symbol.length == 0) continue;
    const size_t end = size_t{symbol.begin} + symbol.length;
    const int32_t whole = tokens_.find(text.substr(symbol.begin, symbol.length));
    if (whole >= 0) {
      out.push_back({whole, symbol.begin, end});
      continue;
    }
    for (size_t i = symbol.begin; i < end; ++i) {
      const int32_t byte_id = byte_ids_[static_cast<unsigned char>(text[i])];
      const int32_t id = byte_id >= 0 ? byte_id : unk_id_;
      if (id >= 0) out.push_back({id, i, i + 1});
    }
  }
}

}  // namespace afina::text
