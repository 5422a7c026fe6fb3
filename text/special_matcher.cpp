// SPDX-License-Identifier: Apache-2.0
#include "text/special_matcher.h"

#include <algorithm>

#include "text/char_class.h"
#include "text/code_point.h"

namespace afina::text {

namespace {

bool is_word_before(std::string_view text, size_t pos) {
  return pos > 0 && CharClasses::get().is_word(decode_at(text, previous_character(text, pos)).value);
}
bool is_word_at(std::string_view text, size_t pos) {
  return pos < text.size() && CharClasses::get().is_word(decode_at(text, pos).value);
}
bool is_space_at(std::string_view text, size_t pos) {
  return CharClasses::get().of(decode_at(text, pos).value) == CharClass::space;
}

}  // namespace

void SpecialMatcher::add(std::string_view text, const AddedToken& token) {
  if (text.empty()) return;
  uint32_t node = 0;
  for (const char c : text) {
    const auto [it, is_new] = edges_.emplace(edge(node, c), static_cast<uint32_t>(nodes_.size()));
    if (is_new) nodes_.push_back(-1);
    node = it->second;
  }
  starts_[static_cast<unsigned char>(text[0])] = true;
  nodes_[node] = static_cast<int32_t>(tokens_.size());
  tokens_.push_back({token.id, token.is_control, token.single_word, token.strips_left, token.strips_right});
}

std::vector<TokenSpan> SpecialMatcher::find_all(std::string_view text, const Judge& judge) const {
  std::vector<TokenSpan> found;
  size_t done = 0;  // where the last match ended
  for (size_t begin = 0; begin < text.size();) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) {
      ++begin;
      continue;
    }
    const Token* best = nullptr;
    auto best_verdict = Verdict::take;
    size_t best_end = begin + 1;
    uint32_t node = 0;
    for (size_t end = begin; end < text.size();) {
      const auto it = edges_.find(edge(node, text[end]));
      if (it == edges_.end()) break;
      node = it->second;
      ++end;
      if (nodes_[node] < 0) continue;
      const Token& token = tokens_[static_cast<size_t>(nodes_[node])];
      const Verdict verdict = token.is_control ? judge(begin, end) : Verdict::take;
      if (verdict == Verdict::ignore) continue;
      best = &token;
      best_verdict = verdict;
      best_end = end;
    }
    const bool is_cut_out =
        best != nullptr && best->single_word && (is_word_before(text, begin) || is_word_at(text, best_end));
    if (best == nullptr || best_verdict == Verdict::pass_over || is_cut_out) {
      begin = best_end;
      continue;
    }
    size_t from = begin;
    size_t to = best_end;
    while (best->strips_left && from > done && is_space_at(text, previous_character(text, from)))
      from = previous_character(text, from);
    while (best->strips_right && to < text.size() && is_space_at(text, to))
      to += decode_at(text, to).length_bytes;
    found.push_back({best->id, std::max(from, done), to});
    done = to;
    begin = best_end;
  }
  return found;
}

}  // namespace afina::text
