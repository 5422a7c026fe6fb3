// SPDX-License-Identifier: Apache-2.0
// One request between its checks and its last byte, whichever route it came by, and how it is told: whole or as
// server-sent events.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "http/message.h"
#include "serve/choice.h"
#include "serve/model_catalog.h"

namespace afina::serve {

struct Prompt {
  std::vector<int> ids;
  std::string text;             ///< as an echo shows it
  std::vector<size_t> offsets;  ///< of each id in text, code points; empty where nobody asks
};

/// Not thread-safe. Tokenizer and scheduler must outlive it.
struct Answer {
  std::string id;  ///< "chatcmpl-…", "cmpl-…"
  int64_t created_s = 0;
  ServedModel model;
  std::string base_name, base_sha256;
  std::string template_sha256, template_date;  ///< "" for raw prompts
  std::vector<Prompt> prompts;
  std::vector<Choice> choices;  ///< equally many of each prompt, in their order
  std::unique_ptr<Completion> completion;

  const Prompt& prompt_of(size_t choice) const { return prompts[choice * prompts.size() / choices.size()]; }

  struct Step {
    size_t index;
    std::string shown;
  };
  /// The next token, already pushed into its choice; nothing at the end. Throws as Completion::next.
  std::optional<Step> step(const std::stop_token& stop);
};

/// The bodies of one route. from: the first of the choice's new tokens that was not told yet, for its
/// log-probabilities.
class AnswerForm {
 public:
  AnswerForm() = default;
  AnswerForm(const AnswerForm&) = delete;
  AnswerForm& operator=(const AnswerForm&) = delete;
  virtual ~AnswerForm() = default;
  virtual OrderedJson whole(const Answer& answer) const = 0;
  /// A chunk around choices that may be empty.
  virtual OrderedJson chunk(const Answer& answer, OrderedJson choices) const = 0;
  /// What a stream begins with, one a choice; null for nothing.
  virtual OrderedJson opening(size_t index) const = 0;
  /// New text, or the end where finish is not "".
  virtual OrderedJson piece(const Answer& answer, size_t index, size_t from, const std::string& shown,
                            const std::string& finish) const = 0;
};

/// Waits for the end. Throws Cancelled once stop is tripped, and what a job failed with.
OrderedJson answer_whole(Answer& answer, const AnswerForm& form, const std::stop_token& stop);
/// Throws Cancelled once the client has left, and what a job failed with.
void answer_stream(Answer& answer, const AnswerForm& form, bool with_usage, http::SseWriter& writer);

}  // namespace afina::serve
