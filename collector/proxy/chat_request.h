// SPDX-License-Identifier: Apache-2.0
// A request of OpenAI's chat completions as the proxy reads it: tolerant (what it does not know travels on), strict
// only about what it must understand to log and to route. Source: OpenAI's API reference, chat/create.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "collector/config.h"

namespace afina::collector {

inline constexpr const char* kArenaModel = "arena";
inline constexpr int kMaxChoices = 8;  ///< n

/// A message as it is logged. Parts that are no text leave a word such as "[image_url]".
struct LoggedMessage {
  std::string role;  ///< system (developer too), user, assistant, tool (function too)
  std::string content;
};

struct ChatRequest {
  std::string model;
  std::vector<LoggedMessage> messages;
  bool stream = false, include_usage = false;
  int choices = 1;
  std::string conversation_id;  ///< metadata.conversation_id; may be empty
  /// What of it the log does not hold as it was: image_url, input_audio, file or other_part of messages; tool_calls,
  /// tool_results, tools. Empty for text alone.
  std::set<std::string> beyond_text;
  Json body;  ///< as it came

  bool arena() const { return model == kArenaModel; }
};

/// Throws HttpError 400 with `param`, in OpenAI's words: invalid_request_error; 400 unsupported_parameter for what a
/// blind comparison cannot carry (tools, n, logprobs).
ChatRequest read_chat_request(const std::string& body);

/// What is sent to one upstream: the request with the upstream's model, its sampling where the client chose none, its
/// token limit as the ceiling, and a stream with usage.
Json upstream_body(const ChatRequest& request, const UpstreamConfig& upstream, uint32_t seed);

/// The sampling part of upstream_body, as it is stored with the answer: no texts, at most 8 KiB. beyond_text: of the
/// request and its answer, kept under that name where there is any (storage::kBeyondText).
Json stored_params(const Json& upstream_body, const std::set<std::string>& beyond_text);

}  // namespace afina::collector
