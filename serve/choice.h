// SPDX-License-Identifier: Apache-2.0
// One answer as it grows: ids in, text that may be shown out (whole characters, cut at stop strings, without control
// tokens).
#pragma once
#include <span>
#include <string>
#include <vector>

#include "serve/scheduler.h"
#include "serve/stop_strings.h"
#include "text/tokenizer.h"

namespace afina::serve {

/// How an answer begins.
struct ChoiceStart {
  std::string echo;              ///< shown before the first new character
  std::span<const int> context;  ///< ids whose text the answer continues; empty where it begins a text of its own
  bool score_only = false;       ///< the new token only carries the prompt's scores and is dropped
};

/// Not thread-safe; the tokenizer must outlive it.
class Choice {
 public:
  Choice(const text::Tokenizer& tokenizer, std::vector<std::string> stops, uint64_t seed, ChoiceStart start = {});

  /// The text to show now. After the call finish_reason() may be set. A token the tokenizer does not know (padding of
  /// the model's vocabulary) has no text.
  std::string push(Token token);
  /// "stop", "length", or "" while it grows.
  const std::string& finish_reason() const { return finish_reason_; }
  const std::string& text() const { return text_; }     ///< all that was shown
  const std::vector<int>& ids() const { return ids_; }  ///< every generated id, the end token included
  const std::vector<model::TokenScore>& scores() const { return scores_; }  ///< one an id
  const std::vector<size_t>& offsets() const { return offsets_; }           ///< of each id in text(), code points
  /// Of the prompt's ids from the second on, where they were asked for and after the first push.
  const std::vector<model::TokenScore>& prompt_scores() const { return prompt_scores_; }
  uint64_t seed() const { return seed_; }

 private:
  std::string decode(int id);

  const text::Tokenizer& tokenizer_;
  uint64_t seed_;
  bool score_only_;
  text::StreamDecoder decoder_;
  StopStrings stops_;
  std::vector<int> ids_;
  std::vector<model::TokenScore> scores_, prompt_scores_;
  std::vector<size_t> offsets_;
  size_t characters_ = 0;  ///< decoded so far, the echo included
  std::string echo_, text_, finish_reason_;
};

/// Code points of valid UTF-8.
size_t count_characters(std::string_view text);

}  // namespace afina::serve
