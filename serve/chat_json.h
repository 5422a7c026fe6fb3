// SPDX-License-Identifier: Apache-2.0
// Bodies of OpenAI's chat API (openai-openapi: CreateChatCompletionResponse, CreateChatCompletionStreamResponse).
#pragma once
#include "serve/answer.h"

namespace afina::serve {

/// The tokenizer must outlive it.
class ChatForm final : public AnswerForm {
 public:
  ChatForm(const text::Tokenizer& tokenizer, bool logprobs) : tokenizer_(tokenizer), logprobs_(logprobs) {}
  OrderedJson whole(const Answer& answer) const override;
  OrderedJson chunk(const Answer& answer, OrderedJson choices) const override;
  OrderedJson opening(size_t index) const override;
  OrderedJson piece(const Answer& answer, size_t index, size_t from, const std::string& shown,
                    const std::string& finish) const override;

 private:
  OrderedJson logprobs(const Choice& choice, size_t from) const;
  OrderedJson token(int id, double logprob) const;

  const text::Tokenizer& tokenizer_;
  bool logprobs_;
};

}  // namespace afina::serve
