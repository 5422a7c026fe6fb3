// SPDX-License-Identifier: Apache-2.0
// Source of the words: OpenAI's API reference (chat/create, error codes) and what its servers answer.
#include "collector/proxy/refusals.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace afina::collector {
namespace {

constexpr std::array<std::string_view, 25> kCodes = {"array_above_max_length",
                                                     "array_below_min_length",
                                                     "content_filter",
                                                     "content_policy_violation",
                                                     "context_length_exceeded",
                                                     "decimal_above_max_value",
                                                     "decimal_below_min_value",
                                                     "empty_array",
                                                     "empty_string",
                                                     "image_parse_error",
                                                     "image_too_large",
                                                     "integer_above_max_value",
                                                     "integer_below_min_value",
                                                     "invalid_function_parameters",
                                                     "invalid_image",
                                                     "invalid_image_format",
                                                     "invalid_image_url",
                                                     "invalid_prompt",
                                                     "invalid_request_error",
                                                     "invalid_type",
                                                     "invalid_value",
                                                     "missing_required_parameter",
                                                     "string_above_max_length",
                                                     "unsupported_parameter",
                                                     "unsupported_value"};

/// Of parameters and of what stands in them.
constexpr std::array<std::string_view, 44> kParams = {"arguments",
                                                      "audio",
                                                      "content",
                                                      "file",
                                                      "frequency_penalty",
                                                      "function",
                                                      "function_call",
                                                      "functions",
                                                      "image_url",
                                                      "input_audio",
                                                      "json_schema",
                                                      "logit_bias",
                                                      "logprobs",
                                                      "max_completion_tokens",
                                                      "max_tokens",
                                                      "messages",
                                                      "metadata",
                                                      "modalities",
                                                      "n",
                                                      "name",
                                                      "parallel_tool_calls",
                                                      "parameters",
                                                      "prediction",
                                                      "presence_penalty",
                                                      "reasoning_effort",
                                                      "response_format",
                                                      "role",
                                                      "schema",
                                                      "seed",
                                                      "service_tier",
                                                      "stop",
                                                      "stream",
                                                      "stream_options",
                                                      "temperature",
                                                      "text",
                                                      "tool_call_id",
                                                      "tool_calls",
                                                      "tool_choice",
                                                      "tools",
                                                      "top_logprobs",
                                                      "top_p",
                                                      "type",
                                                      "url",
                                                      "verbosity"};

template <size_t N>
bool among(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

/// "messages[3].content": names of the list with places between them.
bool is_param(std::string_view param) {
  constexpr size_t kMostDigits = 4;
  for (size_t at = 0; at < param.size();) {
    const size_t end = std::min(param.find_first_of(".[]", at), param.size());
    const std::string_view part = param.substr(at, end - at);
    const bool place = part.size() <= kMostDigits && part.find_first_not_of("0123456789") == std::string_view::npos;
    if (!place && !among(kParams, part)) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

http::HttpError client_error(const UpstreamAnswer& answer) {
  const int status = answer.upstream_status;
  const std::string code = among(kCodes, answer.words.code) ? answer.words.code : "";
  // Some servers begin every stream with 200 and tell of a bad request in its first event.
  const bool told_in_stream = status == 0 && answer.error == "upstream_refused" && !code.empty();
  if (status == 400 || status == 413 || status == 422 || told_in_stream) {
    const bool long_one = code == "context_length_exceeded";
    return {ErrorKind::usage,
            400,
            long_one ? "The messages are longer than the model can take. Hint: send fewer or shorter ones."
                     : "The model refused the request as it stands.",
            code.empty() ? "upstream_refused" : code,
            0,
            is_param(answer.words.param) ? answer.words.param : ""};
  }
  if (answer.error == "upstream_busy") {
    return {ErrorKind::storage, status == 429 ? 429 : 503, "The model has too much to do.", answer.error,
            std::max(2, answer.retry_after_s)};
  }
  if (answer.error == "upstream_slow") return {ErrorKind::storage, 504, "The model took too long.", answer.error};
  return {ErrorKind::storage, 502, "The model did not answer as it should.", answer.error};
}

}  // namespace afina::collector
