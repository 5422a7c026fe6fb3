// SPDX-License-Identifier: Apache-2.0
// The merge loop of SentencePiece's BPE as llama.cpp runs it on GGUF vocabularies with scores: join the adjacent pair
// whose text is a token of the highest score, leftmost on ties; a character that is no token becomes byte tokens.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/token_map.h"
#include "text/tokenizer.h"

namespace afina::text {

/// Buffers of one encode call.
class SentencePieceMerger {
 public:
  /// byte_ids: the tokens of single bytes, -1 where there is none; those bytes become unk_id, or nothing if that is -1.
  SentencePieceMerger(const TokenMap& tokens, const std::vector<float>& scores,
                      const std::array<int32_t, 256>& byte_ids, int32_t unk_id)
      : tokens_(tokens), scores_(scores), byte_ids_(byte_ids), unk_id_(unk_id) {}
  /// Appends the tokens of text, spaces already written as U+2581; their bytes are those of text.
  void encode(std::string_view text, std::vector<TokenSpan>& out);

 private:
  struct Symbol {
    int32_t previous;
    int32_t next;
    uint32_t begin;
    uint32_t length;  // 0: merged into the one before
  };
  struct Candidate {
    float score;
    int32_t left;
    int32_t right;
    uint32_t length;
  };
  static bool is_worse(const Candidate& a, const Candidate& b) {
    return a.score < b.score || (a.score == b.score && a.left > b.left);
  }
  void push(std::string_view text, int32_t left, int32_t right);

  const TokenMap& tokens_;
  const std::vector<float>& scores_;
  const std::array<int32_t, 256>& byte_ids_;
  int32_t unk_id_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace afina::text
