// SPDX-License-Identifier: Apache-2.0
// One row at a time to records, private to datasets/: limits, labels, pieces; collects the report of encode.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/encode.h"
#include "datasets/row_tokens.h"

namespace afina::datasets {

class RowEncoder {
 public:
  /// out must outlive it.
  RowEncoder(TextSource text, const EncodeRowsOptions& options, TokenRecordsWriter& out);
  void add(const SftRow& row);
  void add(const PairRow& row);
  void add(const UnpairedRow& row);
  void add(const RankingRow& row);
  /// Throws DataError where no row was kept.
  EncodedRows finish();

 private:
  enum class Drop { long_prompt, long_row, no_target, tie };
  // A part of the text that is wrapped: which row it comes from, and how many of its tokens wait.
  struct Waiting {
    std::string where;
    std::vector<std::string> preference_ids;
    size_t tokens = 0;
  };

  void begin(const std::string& where);
  void drop(Drop reason, const std::string& detail);
  // False where the row is left out; counted either way. A row above max_length that fits is cut by the caller.
  bool fits(size_t tokens, size_t prompt);
  void keep(TokenExample example, const std::vector<std::string>& preference_ids);
  // Nothing where the row is left out.
  std::optional<TokenExample> with_answers(PromptAnswers parts, TokenExample example);
  void weigh_extra_tokens(TokenExample& example) const;
  void add_pieces(TokenSequence tokens, const std::vector<std::string>& preference_ids);
  void wrap(TokenSequence tokens, const std::vector<std::string>& preference_ids);
  void emit_wrapped(size_t tokens);
  void keep_piece(TokenSequence piece, const std::string& name, const std::vector<std::string>& preference_ids);

  EncodeRowsOptions options_;
  RowTokens tokens_;
  TokenRecordsWriter& out_;
  size_t limit_, longest_;  // max_length, and the longest sequence that is kept whole
  std::string where_;       // of the row at hand
  EncodeReport report_;
  TokenSequence wrapped_;  // tokens that wait for their piece to be full
  size_t emitted_ = 0;     // of them, those in pieces already
  std::vector<Waiting> waiting_;
};

}  // namespace afina::datasets
