// SPDX-License-Identifier: Apache-2.0
// One row at a time to ids and weights, private to datasets/; collects the report of encode.h.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "datasets/encode.h"

namespace afina::datasets {

class RowEncoder {
 public:
  RowEncoder(const text::TextStack* text, const EncodeRowsOptions& options);
  void add(const SftRow& row);
  void add(const PairRow& row);
  /// Throws DataError where no row was kept.
  EncodedRows finish();

 private:
  // A whole row in ids: prompt, then answer.
  struct Ids {
    std::vector<int> ids;
    size_t prompt = 0;  // ids before the answer
  };
  // A prompt and the answers after it, not cut yet.
  struct Answers {
    std::vector<int> prompt;
    std::vector<std::vector<int>> ids;
  };
  enum class Drop { long_prompt, no_target, tie };

  const text::TextStack& stack() const;
  const text::ChatEncoder& encoder();
  std::vector<int> plain_ids(const std::string& text, bool with_end) const;
  std::vector<int> chat_ids(const Messages& messages, bool generation_prompt);
  void check_ids(const std::vector<int>& ids, const char* column) const;

  TokenSequence sequence(const ChatForm& form);
  TokenSequence sequence(const CompletionForm& form);
  TokenSequence sequence(const ChatCompletionForm& form);
  TokenSequence sequence(const TextForm& form);
  TokenSequence sequence(const TokenForm& form);
  Answers answers(const PairText& form);
  Answers answers(const PairChat& form);
  Answers answers(const PairTokens& form);
  // Cuts every full row where all of them still agree with the prompt.
  Answers split(std::vector<int> prompt, std::vector<std::vector<int>> full, bool is_chat);

  void drop(Drop reason, const std::string& detail);
  void keep(TokenExample example, const std::vector<std::string>& preference_ids, bool truncated);

  const text::TextStack* text_;
  EncodeRowsOptions options_;
  std::optional<text::ChatEncoder> encoder_;
  std::string where_;  // of the row at hand
  EncodedRows out_;
};

}  // namespace afina::datasets
