// SPDX-License-Identifier: Apache-2.0
#include "text/special_matcher.h"

namespace afina::text {

void SpecialMatcher::add(std::string_view token_text, int32_t id, bool is_control) {
  if (token_text.empty()) return;
  uint32_t node = 0;
  for (const char c : token_text) {
    const auto [it, is_new] = edges_.emplace(edge(node, c), static_cast<uint32_t>(nodes_.size()));
    if (is_new) nodes_.push_back({});
    node = it->second;
  }
  starts_[static_cast<unsigned char>(token_text[0])] = true;
  if (nodes_[node].id < 0) nodes_[node] = {id, is_control};
}

std::vector<TokenSpan> SpecialMatcher::find_all(std::string_view text, Control control,
                                                std::span<const TextRange> literal) const {
  std::vector<TokenSpan> found;
  size_t range = 0;
  for (size_t begin = 0; begin < text.size();) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) {
      ++begin;
      continue;
    }
    while (range < literal.size() && literal[range].end <= begin)
      ++range;
    const size_t literal_begin = range < literal.size() ? literal[range].begin : text.size();
    TokenSpan best{-1, begin, begin + 1};
    uint32_t node = 0;
    for (size_t end = begin; end < text.size();) {
      const auto it = edges_.find(edge(node, text[end]));
      if (it == edges_.end()) break;
      node = it->second;
      ++end;
      if (nodes_[node].id < 0) continue;
      const bool allowed = !nodes_[node].is_control || control == Control::everywhere ||
                           (control == Control::outside_literal && end <= literal_begin);
      if (allowed) best = {nodes_[node].id, begin, end};
    }
    if (best.id >= 0) found.push_back(best);
    begin = best.end;
  }
  return found;
}

}  // namespace afina::text
