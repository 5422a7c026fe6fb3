// SPDX-License-Identifier: Apache-2.0
// A legacy completion request (openai-openapi: CreateCompletionRequest) as checked values: raw prompts, no template.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "serve/generation_request.h"

namespace afina::serve {

struct CompletionRequest : GenerationRequest {
  std::vector<std::variant<std::string, std::vector<int>>> prompts;  ///< texts or ids, one or more
  bool echo = false;                                                 ///< prompts are part of the answers
  bool score_only = false;      ///< max_tokens 0: the prompt's log-probabilities, no new token
  std::optional<int> logprobs;  ///< 0..5
  /// Of the `afina` object: whether texts may spell control tokens, and whether BOS is added where the vocabulary asks
  /// for it.
  bool parse_special = false, add_special = true;
};

/// Throws http::HttpError 400 with code and param in OpenAI's words.
CompletionRequest parse_completion_request(const OrderedJson& body, const RequestLimits& limits);

}  // namespace afina::serve
