// SPDX-License-Identifier: Apache-2.0
// One answer as it grows: ids in, text that may be shown out (whole characters, cut at stop strings, without control
// tokens).
#pragma once
#include <string>
#include <vector>

#include "serve/scheduler.h"
#include "serve/stop_strings.h"
#include "text/tokenizer.h"

namespace afina::serve {

/// Not thread-safe; the tokenizer must outlive it.
class Choice {
 public:
  Choice(const text::Tokenizer& tokenizer, std::vector<std::string> stops, uint64_t seed)
      : seed_(seed), decoder_(tokenizer, true), stops_(std::move(stops)) {}

  /// The text to show now. After the call finish_reason() may be set.
  std::string push(const Token& token);
  /// "stop", "length", or "" while it grows.
  const std::string& finish_reason() const { return finish_reason_; }
  const std::string& text() const { return text_; }     ///< all that was shown
  const std::vector<int>& ids() const { return ids_; }  ///< every generated id, the end token included
  const std::vector<double>& logprobs() const { return logprobs_; }
  uint64_t seed() const { return seed_; }

 private:
  uint64_t seed_;
  text::StreamDecoder decoder_;
  StopStrings stops_;
  std::vector<int> ids_;
  std::vector<double> logprobs_;
  std::string text_, finish_reason_;
};

}  // namespace afina::serve
