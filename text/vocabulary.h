// SPDX-License-Identifier: Apache-2.0
// What a tokenizer is made of, as the loaders read it from GGUF or tokenizer.json; Tokenizer checks and indexes it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/splitter.h"
#include "text/tokenizer.h"

namespace afina::text {

/// Numbers of GGUF's tokenizer.ggml.token_type.
enum class TokenKind : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// Vocabularies above this are refused.
inline constexpr size_t kMaxVocabulary = size_t{1} << 20;

/// A token found in raw or normalised text before anything else, with the flags of tokenizer.json.
struct AddedToken {
  int32_t id = 0;
  std::string text;
  bool is_control = false;  ///< "special"
  bool single_word = false;
  bool strips_left = false;
  bool strips_right = false;
  bool is_normalized = false;  ///< looked for in the normalised text
};

/// How pieces become tokens.
struct ModelOptions {
  enum class Kind { bpe, sentencepiece };
  Kind kind = Kind::bpe;
  bool is_byte_level = true;   ///< pieces are bytes, tokens are written in GPT-2's alphabet
  bool ignore_merges = false;  ///< a piece that is a token is taken whole
  bool byte_fallback = false;  ///< an unknown character becomes <0xNN> tokens where all of them exist
  bool fuse_unk = false;
  std::string unk_token;                  ///< "" for none
  std::string continuing_subword_prefix;  ///< before every character but a piece's first
  std::string end_of_word_suffix;         ///< behind a piece's last character
};

struct Tokenizer::Vocabulary {
  std::string where;  ///< file, for messages
  SplitRule rule = SplitRule::gpt2;
  bool ignore_merges = false;  ///< as ModelOptions::ignore_merges
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

  ModelOptions model;
  std::vector<NormalizerStep> normalizer;
  /// Instead of `rule`; an empty list takes the text as one piece.
  std::optional<std::vector<SplitStep>> splitter;
  std::optional<DecoderChain> decoder;                           ///< instead of ByteLevel
  std::vector<std::pair<std::string, std::string>> merge_pairs;  ///< by rank, behind `merges`
  bool last_merge_wins = false;  ///< of two merges of one pair: Hugging Face's last, llama.cpp's first
  /// tokenizer.json: which ids the model itself knows (an added token may be one of them) and the added tokens. Without
  /// it, normal tokens are the model's, and control and user-defined ones are added tokens without flags.
  struct HuggingFace {
    std::vector<bool> is_of_model;  ///< by id
    std::vector<AddedToken> added;
    std::vector<std::string> added_texts;  ///< by id, "" where the model's text stands: what decoding sees
  };
  std::optional<HuggingFace> hf;
  /// What add_special writes: ids, and -1 for the text; empty for BOS and EOS as add_bos and add_eos say.
  std::vector<int32_t> special_template;
  std::vector<float> scores;      ///< sentencepiece: by id
  bool adds_space_prefix = true;  ///< sentencepiece: a space before text that begins, or follows a token found whole
};

}  // namespace afina::text
