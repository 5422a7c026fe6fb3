// SPDX-License-Identifier: Apache-2.0
// A vocabulary of 256 bytes, a few merges and ChatML's control tokens, for tests that need no model.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/vocabulary.h"

namespace afina::text {

inline constexpr int32_t kToyEnd = 256;
inline constexpr int32_t kToyStart = 257;
inline constexpr int32_t kToyText = 258;
inline constexpr int32_t kToyThink = 259;

/// Ids 0…255 are the bytes; 256 <|im_end|>, 257 <|im_start|>, 258 <|endoftext|> (control), 259 <think> (user-defined).
inline Tokenizer::Vocabulary toy_vocabulary(const std::vector<std::string>& merges = {"a a", "aa aa", "l o", "lo l"}) {
  Tokenizer::Vocabulary v;
  v.where = "toy";
  for (int byte = 0; byte < 256; ++byte)
    v.tokens.push_back(token_of_bytes(std::string(1, static_cast<char>(byte))));
  v.kinds.assign(256, TokenKind::normal);
  for (const char* token : {"<|im_end|>", "<|im_start|>", "<|endoftext|>"}) {
    v.tokens.push_back(token);
    v.kinds.push_back(TokenKind::control);
  }
  v.tokens.push_back("<think>");
  v.kinds.push_back(TokenKind::user_defined);
  for (const std::string& merge : merges) {
    std::string product = merge;
    product.erase(product.find(' '), 1);
    v.tokens.push_back(product);
    v.kinds.push_back(TokenKind::normal);
    v.merges.push_back(merge);
  }
  v.eos_id = kToyEnd;
  return v;
}

inline std::shared_ptr<const Tokenizer> toy_tokenizer() {
  return std::make_shared<const Tokenizer>(toy_vocabulary());
}

}  // namespace afina::text
