// SPDX-License-Identifier: Apache-2.0
// Bodies of OpenAI's legacy completions (openai-openapi: CreateCompletionResponse), whose chunks have the same form.
#pragma once
#include "serve/answer.h"

namespace afina::serve {

/// The tokenizer must outlive it.
class CompletionForm final : public AnswerForm {
 public:
  struct Options {
    bool logprobs = false, echo = false;
    int top_logprobs = 0;
  };
  CompletionForm(const text::Tokenizer& tokenizer, Options options) : tokenizer_(tokenizer), options_(options) {}
  OrderedJson whole(const Answer& answer) const override;
  OrderedJson chunk(const Answer& answer, OrderedJson choices) const override;
  OrderedJson opening(size_t) const override { return nullptr; }
  OrderedJson piece(const Answer& answer, size_t index, size_t from, const std::string& shown,
                    const std::string& finish) const override;

 private:
  struct Lists;
  OrderedJson logprobs(const Answer& answer, size_t index, size_t from, bool with_prompt) const;
  std::string token_text(int id) const;

  const text::Tokenizer& tokenizer_;
  Options options_;
};

}  // namespace afina::serve
