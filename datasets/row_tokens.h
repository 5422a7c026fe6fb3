// SPDX-License-Identifier: Apache-2.0
// The forms of a row to ids and weights, private to datasets/: no limits and no labels, which are row_encoder.h's.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/encode.h"

namespace afina::datasets {

/// A prompt and the answers after it, not cut yet.
struct PromptAnswers {
  std::vector<int> prompt;
  std::vector<std::vector<int>> answers;
};

class RowTokens {
 public:
  RowTokens(TextSource text, const EncodeRowsOptions& options);

  /// The whole row. where: of the row, for errors. Throws as encode_stream().
  TokenSequence sequence(const SftRow& row);
  PromptAnswers answers(const PairRow& row);
  PromptAnswers answers(const UnpairedRow& row);
  PromptAnswers answers(const RankingRow& row);
  /// True where a token of the last row spans the end of its prompt; it counts as answer.
  bool merged() const { return merged_; }

 private:
  const text::TextStack* text();
  const text::TextStack& stack();
  const text::ChatEncoder& encoder();
  std::vector<int> plain_ids(const std::string& text, bool with_end);
  std::vector<int> chat_ids(const Messages& messages, bool generation_prompt);
  const std::vector<int>& checked(const std::vector<int>& ids, const char* column);

  TokenSequence form(const ChatForm& form);
  TokenSequence form(const CompletionForm& form);
  TokenSequence form(const ChatCompletionForm& form);
  TokenSequence form(const TextForm& form);
  TokenSequence form(const TokenForm& form);
  std::vector<float> turn_weights(const ChatForm& form, const std::vector<uint8_t>& assistant_mask) const;
  PromptAnswers text_answers(const std::string& prompt, const std::vector<const std::string*>& answers);
  PromptAnswers chat_answers(const Messages& prompt, const std::vector<const Messages*>& answers);
  PromptAnswers token_answers(const std::vector<int>& prompt, const std::vector<const std::vector<int>*>& answers,
                              const std::vector<const char*>& columns);
  // Cuts every full row where all of them still agree with the prompt.
  PromptAnswers split(std::vector<int> prompt, std::vector<std::vector<int>> full, bool is_chat);

  TextSource source_;
  std::optional<const text::TextStack*> text_;
  const EncodeRowsOptions& options_;
  std::optional<text::ChatEncoder> encoder_;
  std::string where_;  // of the row at hand
  bool merged_ = false;
};

}  // namespace afina::datasets
