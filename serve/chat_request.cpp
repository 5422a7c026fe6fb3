// SPDX-License-Identifier: Apache-2.0
#include "serve/chat_request.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "http/message.h"

namespace afina::serve {
namespace {

[[noreturn]] void refuse(const std::string& param, const std::string& message, const std::string& code = "") {
  throw http::HttpError(ErrorKind::usage, 400, cat("[", param, "] ", message), code, 0, param);
}

/// The field, or null where it is absent or JSON null.
const Json* field(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<double> number(const Json& body, const char* name, double low, double high) {
  const Json* value = field(body, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) refuse(name, "must be a number, but is not.", "invalid_type");
  const double found = value->get<double>();
  if (!(found >= low && found <= high))
    refuse(name, cat("must be between ", low, " and ", high, ", but got ", found, "."));
  return found;
}

std::optional<int64_t> integer(const Json& body, const char* name, int64_t low, int64_t high) {
  const Json* value = field(body, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) refuse(name, "must be an integer, but is not.", "invalid_type");
  // An unsigned value above the signed range is above every bound of ours too.
  const bool huge = value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX};
  const int64_t found = huge ? INT64_MAX : value->get<int64_t>();
  if (found < low || found > high) refuse(name, cat("must be between ", low, " and ", high, ", but got ", found, "."));
  return found;
}

bool flag(const Json& body, const char* name) {
  const Json* value = field(body, name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) refuse(name, "must be true or false, but is neither.", "invalid_type");
  return value->get<bool>();
}

std::string content_of(const Json& message, const std::string& where) {
  const Json* content = field(message, "content");
  if (content == nullptr) return "";
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array())
    refuse(where, "must have content that is text or a list of parts, but has neither.", "invalid_type");
  std::string text;
  for (const Json& part : *content) {
    const Json* kind = part.is_object() ? field(part, "type") : nullptr;
    const Json* words = part.is_object() ? field(part, "text") : nullptr;
    if (kind == nullptr || *kind != "text" || words == nullptr || !words->is_string()) {
      refuse(where, "must have text parts only, but has others.", "unsupported_content");
    }
    text += words->get<std::string>();
  }
  return text;
}

std::vector<text::Message> messages_of(const Json& body, const ChatLimits& limits) {
  const Json* list = field(body, "messages");
  if (list == nullptr || !list->is_array() || list->empty()) {
    refuse("messages", "must be a list of at least one message, but is not.", "missing_required_parameter");
  }
  if (list->size() > static_cast<size_t>(limits.max_messages)) {
    refuse("messages", cat("must be at most ", limits.max_messages, ", but got ", list->size(), "."));
  }
  constexpr std::array kRoles{"system", "developer", "user", "assistant", "tool", "function"};
  std::vector<text::Message> messages;
  for (const Json& item : *list) {
    const std::string where = cat("messages[", messages.size(), "]");
    const Json* role = item.is_object() ? field(item, "role") : nullptr;
    if (role == nullptr || !role->is_string())
      refuse(where, "must be an object with a role, but is not.", "invalid_type");
    std::string name = role->get<std::string>();
    if (std::find(kRoles.begin(), kRoles.end(), name) == kRoles.end()) {
      refuse(where, cat("must have a role of the API, but got \"", name.substr(0, 64), "\"."));
    }
    if (name == "developer") name = "system";  // the API's new word for it
    messages.push_back({name, content_of(item, where)});
  }
  return messages;
}

std::vector<std::string> stops_of(const Json& body) {
  const Json* stop = field(body, "stop");
  if (stop == nullptr) return {};
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  std::vector<std::string> stops;
  for (const Json& item : list) {
    if (!item.is_string()) refuse("stop", "must be a text or a list of texts, but is not.", "invalid_type");
    stops.push_back(item.get<std::string>());
    if (stops.back().empty() || stops.back().size() > 1024)
      refuse("stop", "must be texts of 1 to 1024 bytes, but has another.");
  }
  if (stops.size() > 16) refuse("stop", cat("must be at most 16 texts, but got ", stops.size(), "."));
  return stops;
}

void refuse_unoffered(const Json& body) {
  for (const char* name : {"presence_penalty", "frequency_penalty", "top_logprobs"}) {
    if (number(body, name, -100, 100).value_or(0) != 0)
      refuse(name, "must be 0 here: it is not offered.", "unsupported_parameter");
  }
  for (const char* name : {"tools", "functions", "logit_bias"}) {
    const Json* value = field(body, name);
    if (value != nullptr && !value->empty())
      refuse(name, "must be empty here: it is not offered.", "unsupported_parameter");
  }
  const Json* format = field(body, "response_format");
  if (format != nullptr && (!format->is_object() || format->value("type", Json("text")) != "text")) {
    refuse("response_format", "must be text here: others are not offered.", "unsupported_parameter");
  }
}

}  // namespace

ChatRequest parse_chat_request(const Json& body, const ChatLimits& limits) {
  if (!body.is_object()) refuse("body", "must be a JSON object, but is not.", "invalid_type");
  ChatRequest request;
  const Json* model = field(body, "model");
  if (model == nullptr || !model->is_string()) {
    refuse("model", "must be the name of a model, but is missing.", "missing_required_parameter");
  }
  request.model = model->get<std::string>();
  request.messages = messages_of(body, limits);
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  const auto old_cap = integer(body, "max_tokens", 1, kMost), cap = integer(body, "max_completion_tokens", 1, kMost);
  request.params.max_new_tokens = static_cast<int>(cap.value_or(old_cap.value_or(limits.default_new_tokens)));
  request.params.temperature = number(body, "temperature", 0, 2).value_or(1);
  request.params.top_p = number(body, "top_p", 0, 1).value_or(1);
  if (request.params.top_p == 0) refuse("top_p", "must be above 0 and at most 1, but got 0.");
  request.params.top_k = static_cast<int>(integer(body, "top_k", 0, kMost).value_or(0));
  if (const auto seed = integer(body, "seed", std::numeric_limits<int64_t>::min(), kMost * (int64_t{1} << 32))) {
    request.seed = static_cast<uint64_t>(*seed);
  }
  request.n = static_cast<int>(integer(body, "n", 1, limits.max_choices).value_or(1));
  request.stops = stops_of(body);
  request.stream = flag(body, "stream");
  request.logprobs = flag(body, "logprobs");
  if (const Json* options = field(body, "stream_options")) {
    if (!options->is_object()) refuse("stream_options", "must be an object, but is not.", "invalid_type");
    request.include_usage = flag(*options, "include_usage");
  }
  refuse_unoffered(body);
  return request;
}

}  // namespace afina::serve
