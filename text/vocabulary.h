// SPDX-License-Identifier: Apache-2.0
// What a tokenizer is made of, as the loaders read it from GGUF or tokenizer.json; Tokenizer checks and indexes it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace afina::text {

/// Numbers of GGUF's tokenizer.ggml.token_type.
enum class TokenKind : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// Vocabularies above this are refused.
inline constexpr size_t kMaxVocabulary = size_t{1} << 20;

struct Tokenizer::Vocabulary {
  std::string where;  ///< file, for messages
  SplitRule rule = SplitRule::gpt2;
  bool ignore_merges = false;  ///< a piece that is a token is taken whole
  bool add_bos = false;
  bool add_eos = false;
  std::vector<std::string> tokens;  ///< by id; normal tokens in GPT-2's alphabet, added ones raw, "" for a hole
  std::vector<TokenKind> kinds;     ///< by id
  std::vector<std::string> merges;  ///< "a b" by rank
  std::optional<int32_t> bos_id;
  std::optional<int32_t> eos_id;
  std::optional<int32_t> pad_id;
  std::optional<int32_t> unk_id;
  std::vector<int32_t> end_ids;  ///< those the files name; Tokenizer adds the family's by text
};

}  // namespace afina::text
