// SPDX-License-Identifier: Apache-2.0
// What chat and legacy completions have in common, as checked values. Unknown fields are ignored, as the API's clients
// expect; fields that are known, set, and would change the answer in a way that is not offered are refused rather than
// ignored in silence.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/generator.h"

namespace afina::serve {

struct RequestLimits {
  int default_chat_tokens = 1024;      ///< where a chat names none; the context cuts further
  int default_completion_tokens = 16;  ///< the same of a legacy completion: OpenAI's
  int max_choices = 8;                 ///< n
  int max_jobs = 128;                  ///< prompts times n
  int max_messages = 512;
  int vocab_size = std::numeric_limits<int>::max();  ///< ids of prompts and of logit_bias lie below
};

struct GenerationRequest {
  std::string model;
  model::SamplingParams params;  ///< without seed and stop ids
  std::optional<uint64_t> seed;
  std::vector<std::string> stops;
  int n = 1;
  bool stream = false, include_usage = false;
};

/// Everything but the length, the log-probabilities and the prompt. Throws http::HttpError 400.
GenerationRequest parse_generation(const OrderedJson& body, const RequestLimits& limits);

}  // namespace afina::serve
