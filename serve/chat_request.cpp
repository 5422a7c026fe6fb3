// SPDX-License-Identifier: Apache-2.0
#include "serve/chat_request.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "serve/request_fields.h"

namespace afina::serve {
namespace {

constexpr int kMaxTokens = std::numeric_limits<int>::max();

std::string content_of(const OrderedJson& message, const std::string& where) {
  const OrderedJson* content = find_field(message, "content");
  if (content == nullptr) return "";
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array())
    refuse(where, "must have content that is text or a list of parts, but has neither.", "invalid_type");
  std::string text;
  for (const OrderedJson& part : *content) {
    const OrderedJson* kind = part.is_object() ? find_field(part, "type") : nullptr;
    const OrderedJson* words = part.is_object() ? find_field(part, "text") : nullptr;
    if (kind == nullptr || *kind != "text" || words == nullptr || !words->is_string()) {
      refuse(where, "must have text parts only, but has others.", "unsupported_content");
    }
    text += words->get<std::string>();
  }
  return text;
}

/// The API carries a call's arguments as JSON in a text; templates expect the object, as vLLM and llama.cpp give it.
OrderedJson tool_calls_of(const OrderedJson& calls, const std::string& where) {
  if (!calls.is_array()) refuse(where, "must have a list as tool_calls, but has none.", "invalid_type");
  OrderedJson parsed = calls;
  for (OrderedJson& call : parsed) {
    const auto function = call.is_object() ? call.find("function") : call.end();
    if (!call.is_object() || function == call.end() || !function->is_object() || !function->contains("name"))
      refuse(where, "must have tool_calls with a function and its name, but has others.", "invalid_type");
    const auto arguments = function->find("arguments");
    if (arguments == function->end() || !arguments->is_string()) continue;
    try {
      *arguments = parse_ordered_json(arguments->get<std::string>(), "arguments", {.max_depth = 24});
    } catch (const DataError&) {
      refuse(where, "must have JSON as the arguments of tool_calls, but has other text.", "invalid_messages");
    }
  }
  return parsed;
}

text::Message message_of(const OrderedJson& item, const std::string& where) {
  constexpr std::array kRoles{"system", "developer", "user", "assistant", "tool", "function"};
  const OrderedJson* role = item.is_object() ? find_field(item, "role") : nullptr;
  if (role == nullptr || !role->is_string())
    refuse(where, "must be an object with a role, but is not.", "invalid_type");
  text::Message message;
  message.role = role->get<std::string>();
  if (std::find(kRoles.begin(), kRoles.end(), message.role) == kRoles.end())
    refuse(where, cat("must have a role of the API, but got \"", message.role.substr(0, 64), "\"."));
  if (message.role == "developer") message.role = "system";  // the API's new word for it
  message.content = content_of(item, where);
  OrderedJson extra = OrderedJson::object();
  for (const char* name : {"name", "tool_call_id", "reasoning_content"}) {
    const OrderedJson* value = find_field(item, name);
    if (value == nullptr) continue;
    if (!value->is_string()) refuse(where, cat("must have a text as ", name, ", but has another."), "invalid_type");
    extra[name] = *value;
  }
  if (const OrderedJson* calls = find_field(item, "tool_calls")) extra["tool_calls"] = tool_calls_of(*calls, where);
  if (find_field(item, "function_call") != nullptr)
    refuse(where, "must have tool_calls instead of function_call, which is not offered.", "unsupported_parameter");
  if (!extra.empty()) message.extra = std::move(extra);
  return message;
}

std::vector<text::Message> messages_of(const OrderedJson& body, const RequestLimits& limits) {
  const OrderedJson* list = find_field(body, "messages");
  if (list == nullptr || !list->is_array() || list->empty()) {
    refuse("messages", "must be a list of at least one message, but is not.", "missing_required_parameter");
  }
  if (list->size() > static_cast<size_t>(limits.max_messages)) {
    refuse("messages", cat("must be at most ", limits.max_messages, ", but got ", list->size(), "."));
  }
  std::vector<text::Message> messages;
  for (const OrderedJson& item : *list)
    messages.push_back(message_of(item, cat("messages[", messages.size(), "]")));
  return messages;
}

OrderedJson tools_of(const OrderedJson& body) {
  for (const char* old : {"functions", "function_call"}) {
    const OrderedJson* value = find_field(body, old);
    if (value != nullptr && !value->empty()) refuse_unsupported(old, "must be absent here: use tools.");
  }
  const OrderedJson* choice = find_field(body, "tool_choice");
  if (choice != nullptr && *choice != "auto" && *choice != "none")
    refuse_unsupported("tool_choice", "must be \"auto\" or \"none\" here: calls cannot be forced.");
  const OrderedJson* tools = find_field(body, "tools");
  if (tools == nullptr || (choice != nullptr && *choice == "none")) return nullptr;
  if (!tools->is_array()) refuse("tools", "must be a list, but is not.", "invalid_type");
  for (const OrderedJson& tool : *tools) {
    const OrderedJson* function = tool.is_object() ? find_field(tool, "function") : nullptr;
    if (function == nullptr || !function->is_object() || !function->contains("name"))
      refuse("tools", "must be functions with a name, but has others.", "invalid_type");
  }
  return tools->empty() ? OrderedJson(nullptr) : *tools;
}

/// Templates trust their variables, so a client's may be flags and numbers only: these spell no control token.
OrderedJson variables_of(const OrderedJson& body) {
  constexpr const char* kField = "chat_template_kwargs";
  const OrderedJson* variables = object_field(body, kField);
  if (variables == nullptr) return OrderedJson::object();
  if (variables->size() > 16) refuse(kField, "must have at most 16 keys, but has more.");
  for (const auto& [name, value] : variables->items()) {
    if (!value.is_boolean() && !value.is_number_integer())
      refuse(kField, "must have true, false and integers only, but has others.", "invalid_type");
    for (const char* own : {"messages", "tools", "documents", "add_generation_prompt"})
      if (name == own) refuse(kField, cat("must not set \"", name, "\", but does."));
    if (name.ends_with("_token")) refuse(kField, "must set no token, but does.");
  }
  return *variables;
}

void refuse_unoffered(const OrderedJson& body) {
  const OrderedJson* format = object_field(body, "response_format");
  if (format != nullptr && format->value("type", OrderedJson("text")) != "text")
    refuse_unsupported("response_format", "must be text here: others are not offered.");
  const OrderedJson* modalities = find_field(body, "modalities");
  if (modalities != nullptr && *modalities != OrderedJson::array({"text"}))
    refuse_unsupported("modalities", "must be [\"text\"] here: others are not offered.");
  if (find_field(body, "audio") != nullptr) refuse_unsupported("audio", "must be absent here: it is not offered.");
}

}  // namespace

ChatRequest parse_chat_request(const OrderedJson& body, const RequestLimits& limits) {
  ChatRequest request{parse_generation(body, limits), {}, nullptr, OrderedJson::object(), false};
  request.messages = messages_of(body, limits);
  const auto old_cap = integer_field(body, "max_tokens", 1, kMaxTokens);
  const auto cap = integer_field(body, "max_completion_tokens", 1, kMaxTokens);
  request.params.max_new_tokens = static_cast<int>(cap.value_or(old_cap.value_or(limits.default_chat_tokens)));
  request.logprobs = flag_field(body, "logprobs").value_or(false);
  request.params.top_logprobs = static_cast<int>(integer_field(body, "top_logprobs", 0, 20).value_or(0));
  if (request.params.top_logprobs > 0 && !request.logprobs)
    refuse("top_logprobs", "must be absent without \"logprobs\": true, but is set.");
  refuse_unoffered(body);
  request.tools = tools_of(body);
  request.variables = variables_of(body);
  return request;
}

}  // namespace afina::serve
