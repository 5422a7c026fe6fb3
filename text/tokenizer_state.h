// SPDX-License-Identifier: Apache-2.0
// The indexed vocabulary behind a Tokenizer, and encoding over it. Immutable after construction but for one cache of
// facts, which any thread may fill.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <unordered_map>

#include "text/bpe.h"
#include "text/sentencepiece.h"
#include "text/special_matcher.h"
#include "text/token_map.h"
#include "text/vocabulary.h"

namespace afina::text {

struct Tokenizer::State {
  explicit State(Vocabulary v);

  enum class Control { nowhere, everywhere, outside_literal };
  /// literal: sorted, disjoint ranges that no control token may touch under outside_literal.
  std::vector<TokenSpan> encode(std::string_view text, Control control, std::span<const TextRange> literal) const;
  /// Whether decoding sees this id at all: a hole of the vocabulary has no text.
  bool is_hole(int32_t id) const;

  Vocabulary vocabulary;
  DecoderChain decoder;
  std::vector<std::string> decode_texts;  // by id: what the decoder is given
  std::vector<std::string> bytes;         // by id
  std::vector<bool> is_dropped;           // by id: decode leaves it out with skip_special
  std::vector<bool> is_control;           // by id
  TokenMap tokens;                        // what pieces are looked up in: bytes where byte-level, else texts
  std::unordered_map<std::string, int32_t> added_ids;  // by raw text
  std::array<int32_t, 256> byte_ids{};                 // single bytes: byte-level symbols, or <0xNN> tokens
  SpecialMatcher raw_matcher;                          // in raw text
  SpecialMatcher normalized_matcher;                   // in normalised text
  MergeTable merges;
  std::vector<int32_t> end_ids;

 private:
  struct Call;

  [[noreturn]] void fail(const std::string& message) const;
  void check_sizes() const;
  void promote_end_tokens();
  void index_tokens();
  void index_added();
  void index_merges();
  void add_merge(size_t rank, const std::string& left, const std::string& right);
  bool is_of_model(size_t id) const;
  int32_t model_id(const std::string& token) const;

  void encode_section(MappedText text, Call& call) const;
  void encode_pieces(MappedText text, Call& call) const;
  void encode_sentencepiece(const MappedText& text, Call& call) const;
  void encode_piece(std::string_view piece, size_t offset, Call& call) const;
  void add_symbols(std::string_view piece, Call& call) const;

  // Whether BPE of a token's own text gives that token: 0 not asked yet, 1 yes, 2 no.
  mutable std::unique_ptr<std::atomic<uint8_t>[]> whole_;
};

}  // namespace afina::text
