// SPDX-License-Identifier: Apache-2.0
// An OpenAI chat request as checked values (openai-openapi: CreateChatCompletionRequest). Tools and calls of tools
// reach the template; what the model writes about them is returned as text.
#pragma once
#include <vector>

#include "serve/generation_request.h"
#include "text/chat_template.h"

namespace afina::serve {

struct ChatRequest : GenerationRequest {
  std::vector<text::Message> messages;
  OrderedJson tools = nullptr;                    ///< a list, or null for none
  OrderedJson variables = OrderedJson::object();  ///< chat_template_kwargs: flags and integers only
  bool logprobs = false;
};

/// Throws http::HttpError 400 with code and param in OpenAI's words.
ChatRequest parse_chat_request(const OrderedJson& body, const RequestLimits& limits);

}  // namespace afina::serve
