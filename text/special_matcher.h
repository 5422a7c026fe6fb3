// SPDX-License-Identifier: Apache-2.0
// Finds added tokens in raw text, leftmost and longest, before any splitting; control tokens only where allowed.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"

namespace afina::text {

/// A trie over the texts of control and user-defined tokens. Immutable once filled.
class SpecialMatcher {
 public:
  void add(std::string_view token_text, int32_t id, bool is_control);

  enum class Control { nowhere, everywhere, outside_literal };
  /// All matches in order. literal: sorted, disjoint ranges that no control token may touch under outside_literal.
  std::vector<TokenSpan> find_all(std::string_view text, Control control, std::span<const TextRange> literal) const;

 private:
  struct End {
    int32_t id = -1;
    bool is_control = false;
  };
  static uint64_t edge(uint32_t node, char c) { return uint64_t{node} << 8 | static_cast<unsigned char>(c); }

  std::unordered_map<uint64_t, uint32_t> edges_;
  std::vector<End> nodes_{1};
  bool starts_[256] = {};
};

}  // namespace afina::text
