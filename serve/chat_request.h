// SPDX-License-Identifier: Apache-2.0
// An OpenAI chat request as checked values. Unknown fields are ignored, as the API's clients expect; fields that are
// known, set, and would change the answer in a way that is not offered are refused rather than ignored in silence.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/generator.h"
#include "text/chat_template.h"

namespace afina::serve {

struct ChatRequest {
  std::string model;
  std::vector<text::Message> messages;
  model::SamplingParams params;  ///< without seed and stop ids
  std::optional<uint64_t> seed;
  std::vector<std::string> stops;
  int n = 1;
  bool stream = false, include_usage = false, logprobs = false;
};

struct ChatLimits {
  int default_new_tokens = 1024;  ///< where the request names none; the context cuts further
  int max_choices = 8;
  int max_messages = 512;
};

/// Throws http::HttpError 400 with code and param in OpenAI's words.
ChatRequest parse_chat_request(const Json& body, const ChatLimits& limits);

}  // namespace afina::serve
