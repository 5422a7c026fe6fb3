// SPDX-License-Identifier: Apache-2.0
#include "collector/proxy/chat_request.h"

#include <algorithm>

#include "http/message.h"
#include "storage/events/completions.h"

namespace afina::collector {
namespace {

/// Schemas of tools are deep; the reader has a bound all the same.
constexpr int kMaxDepth = 48;
constexpr size_t kMaxMessages = 2000, kMaxParamsBytes = 7000;

[[noreturn]] void invalid(const std::string& param, const std::string& message, const std::string& code = "") {
  throw http::HttpError(ErrorKind::usage, 400, message, code, 0, param);
}

/// In our words: a client's own would be stored as they come.
std::string part_word(const std::string& type) {
  for (const char* known : {"image_url", "input_audio", "file"}) {
    if (type == known) return known;
  }
  return "other_part";
}

std::string text_of_parts(const Json& parts, const std::string& where, std::set<std::string>& beyond_text) {
  std::string text;
  for (const Json& part : parts) {
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string()) {
      invalid(where, cat(where, " must hold parts with a type, but one has none."));
    }
    const std::string type = part["type"];
    if (!text.empty()) text += '\n';
    if (type == "text" && part.contains("text") && part["text"].is_string()) {
      text += part["text"].get<std::string>();
    } else if (type == "refusal" && part.contains("refusal") && part["refusal"].is_string()) {
      text += part["refusal"].get<std::string>();
    } else {
      text += cat("[", type.substr(0, 40), "]");
      beyond_text.insert(part_word(type));
    }
  }
  return text;
}

bool given(const Json& body, const char* key) {
  return body.contains(key) && !body[key].is_null();
}

/// PostgreSQL's text cannot hold U+0000.
std::string without_nul(std::string text) {
  for (size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at))
    text.replace(at, 1, "\uFFFD");
  return text;
}

LoggedMessage read_message(const Json& message, const std::string& where, std::set<std::string>& beyond_text) {
  if (!message.is_object()) invalid(where, cat(where, " must be an object, but is not."));
  if (!message.contains("role") || !message["role"].is_string()) {
    invalid(where + ".role", cat(where, ".role must be a string, but is not."));
  }
  LoggedMessage logged{message["role"], ""};
  if (logged.role == "developer") logged.role = "system";
  if (logged.role == "function") logged.role = "tool";
  if (logged.role != "system" && logged.role != "user" && logged.role != "assistant" && logged.role != "tool") {
    invalid(where + ".role", cat(where, ".role must be developer, system, user, assistant or tool, but is not."));
  }
  const Json content = message.value("content", Json());
  if (content.is_string()) {
    logged.content = content;
  } else if (content.is_array()) {
    logged.content = text_of_parts(content, where + ".content", beyond_text);
  } else if (logged.role == "assistant" && content.is_null()) {
    // Calls without words: what was said is the calls.
    if (message.contains("tool_calls")) logged.content = dump_json(message["tool_calls"]);
  } else {
    invalid(where + ".content", cat(where, ".content must be a string or a list of parts, but is neither."));
  }
  if (given(message, "tool_calls") || given(message, "function_call")) beyond_text.insert("tool_calls");
  if (logged.role == "tool") beyond_text.insert("tool_results");
  logged.content = without_nul(std::move(logged.content));
  return logged;
}

bool flag(const Json& body, const char* key) {
  if (!given(body, key)) return false;
  if (!body[key].is_boolean()) invalid(key, cat(key, " must be true or false, but is neither."));
  return body[key];
}

std::string conversation_of(const Json& body) {
  if (!given(body, "metadata")) return "";
  const Json& metadata = body["metadata"];
  if (!metadata.is_object()) invalid("metadata", "metadata must be an object, but is not.");
  if (!given(metadata, "conversation_id")) return "";
  if (!metadata["conversation_id"].is_string()) {
    invalid("metadata.conversation_id", "metadata.conversation_id must be a string, but is not.");
  }
  return metadata["conversation_id"];
}

void check_arena(const ChatRequest& request) {
  const auto refuse = [](const char* key) {
    invalid(key, cat(key, " must not be asked of the model \"", kArenaModel, "\": it would tell the two apart."),
            "unsupported_parameter");
  };
  for (const char* key : {"tools", "functions", "logprobs", "audio"}) {
    const Json value = request.body.value(key, Json());
    if (!value.is_null() && value != Json(false) && !(value.is_array() && value.empty())) refuse(key);
  }
  if (request.choices > 1) refuse("n");
  const bool tool = std::ranges::any_of(request.messages, [](const LoggedMessage& m) { return m.role == "tool"; });
  if (tool) refuse("messages");
}

}  // namespace

ChatRequest read_chat_request(const std::string& text) {
  ChatRequest request;
  try {
    request.body = parse_json(text, "body", {.max_depth = kMaxDepth, .max_elements = 500'000});
  } catch (const DataError& error) {
    invalid("", error.what());
  }
  const Json& body = request.body;
  if (!body.is_object()) invalid("", "the body must be an object, but is not.");
  if (!given(body, "model") || !body["model"].is_string() || body["model"].get<std::string>().empty()) {
    invalid("model", "model must be the name of a model, but is not.");
  }
  request.model = body["model"];
  if (!given(body, "messages") || !body["messages"].is_array() || body["messages"].empty() ||
      body["messages"].size() > kMaxMessages) {
    invalid("messages", cat("messages must be a list of 1 to ", kMaxMessages, ", but is not."));
  }
  for (size_t i = 0; i < body["messages"].size(); ++i)
    request.messages.push_back(read_message(body["messages"][i], cat("messages[", i, "]"), request.beyond_text));
  for (const char* key : {"tools", "functions"}) {
    if (given(body, key) && !body[key].empty()) request.beyond_text.insert("tools");
  }
  request.stream = flag(body, "stream");
  if (given(body, "stream_options")) {
    if (!body["stream_options"].is_object()) invalid("stream_options", "stream_options must be an object, but is not.");
    if (!request.stream) invalid("stream_options", "stream_options must come with stream true, but does not.");
    request.include_usage = flag(body["stream_options"], "include_usage");
  }
  if (given(body, "n")) {
    const Json& n = body["n"];
    if (!n.is_number_integer() || n.get<int64_t>() < 1 || n.get<int64_t>() > kMaxChoices) {
      invalid("n", cat("n must be between 1 and ", kMaxChoices, ", but is not."));
    }
    request.choices = n;
  }
  for (const char* key : {"max_tokens", "max_completion_tokens"}) {
    if (given(body, key) && (!body[key].is_number_integer() || body[key].get<int64_t>() < 1)) {
      invalid(key, cat(key, " must be a whole number above 0, but is not."));
    }
  }
  request.conversation_id = conversation_of(body);
  if (request.arena()) check_arena(request);
  return request;
}

Json upstream_body(const ChatRequest& request, const UpstreamConfig& upstream, uint32_t seed) {
  Json body = request.body;
  body["model"] = upstream.model.empty() ? upstream.name : upstream.model;
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  if (given(body, "metadata")) {
    body["metadata"].erase("conversation_id");  // ours; the rest is between the client and the model
    if (body["metadata"].empty()) body.erase("metadata");
  }
  if (!given(body, "temperature") && !given(body, "top_p")) {
    body["temperature"] = upstream.temperature;
    body["top_p"] = upstream.top_p;
  }
  if (!given(body, "seed")) body["seed"] = seed;
  // The operator's limit is a ceiling: what a client asks for costs the operator.
  bool limited = false;
  for (const char* key : {"max_tokens", "max_completion_tokens"}) {
    if (!given(body, key)) continue;
    body[key] = std::min<int64_t>(body[key].get<int64_t>(), upstream.max_tokens);
    limited = true;
  }
  if (!limited) body["max_tokens"] = upstream.max_tokens;
  return body;
}

Json stored_params(const Json& upstream_body, const std::set<std::string>& beyond_text) {
  Json params = Json::object();
  for (const char* key : {"temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop", "n",
                          "presence_penalty", "frequency_penalty", "reasoning_effort", "verbosity", "tool_choice",
                          "parallel_tool_calls", "response_format", "logit_bias"}) {
    if (!given(upstream_body, key)) continue;
    params[key] = upstream_body[key];
    if (dump_json(params).size() > kMaxParamsBytes) params[key] = "too long to keep";
  }
  if (given(upstream_body, "tools")) params["tools"] = upstream_body["tools"].size();
  if (!beyond_text.empty()) params[storage::kBeyondText] = beyond_text;
  return params;
}

}  // namespace afina::collector
