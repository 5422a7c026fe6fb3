// SPDX-License-Identifier: Apache-2.0
// Finds added tokens in text, leftmost and longest, before anything splits it, with the flags of tokenizer.json
// (huggingface/tokenizers added_vocabulary.rs); control tokens only where allowed.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/vocabulary.h"

namespace afina::text {

/// A trie over the texts of added tokens. Immutable once filled.
class SpecialMatcher {
 public:
  /// text: what to look for, which is the token's own text or that text normalised. The last of two equal texts stands.
  void add(std::string_view text, const AddedToken& token);
  bool empty() const { return nodes_.size() == 1; }

  /// What to do with a control token at bytes [begin, end) of the text.
  enum class Verdict {
    take,
    pass_over,  ///< it stays text, and no other token is looked for inside it (Hugging Face's encode_special_tokens)
    ignore      ///< as if the token were not there
  };
  using Judge = std::function<Verdict(size_t begin, size_t end)>;
  /// All matches in order, with what lstrip and rstrip swallow; a match may begin before the end of one with rstrip.
  std::vector<TokenSpan> find_all(std::string_view text, const Judge& judge) const;

 private:
  struct Token {
    int32_t id;
    bool is_control;
    bool single_word;
    bool strips_left;
    bool strips_right;
  };
  static uint64_t edge(uint32_t node, char c) { return uint64_t{node} << 8 | static_cast<unsigned char>(c); }

  std::unordered_map<uint64_t, uint32_t> edges_;
  std::vector<int32_t> nodes_{-1};  // the token that ends there
  std::vector<Token> tokens_;
  bool starts_[256] = {};
};

}  // namespace afina::text
