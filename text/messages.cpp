// SPDX-License-Identifier: Apache-2.0
#include "text/messages.h"

#include "base/cat.h"
#include "base/error.h"

namespace afina::text {

namespace {

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw DataError(cat("[", where, "] must ", what));
}

const OrderedJson* field(const OrderedJson& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

void read_tools(const OrderedJson& value, const std::string& where, ChatOptions& options) {
  const OrderedJson list =
      value.is_string() ? parse_ordered_json(value.get<std::string>(), cat(where, ", tools")) : value;
  if (list.is_null()) return;
  if (!list.is_array()) fail(where, cat("have a list as \"tools\", but it is a JSON ", list.type_name()));
  if (!list.empty()) options.tools = list;
}

}  // namespace

Message parse_message(const OrderedJson& value, size_t index, const std::string& where) {
  const std::string place = cat(where, ", message ", index);
  if (!value.is_object()) fail(place, cat("be an object with role and content, but is a JSON ", value.type_name()));
  const auto role = value.find("role");
  if (role == value.end() || !role->is_string()) {
    fail(place, cat("have a text as \"role\", but ",
                    role == value.end() ? "has none" : cat("it is a JSON ", role->type_name())));
  }
  Message message;
  message.role = role->get<std::string>();
  const auto content = value.find("content");
  if (content != value.end() && content->is_string()) {
    message.content = content->get<std::string>();
  } else if (content != value.end() && !content->is_null() && !content->is_array()) {
    fail(place, cat("have a text, a list of parts or null as \"content\", but it is a JSON ", content->type_name()));
  }
  const bool is_plain =
      value.size() == 2 && value.begin().key() == "role" && content != value.end() && content->is_string();
  if (!is_plain) message.extra = value;
  return message;
}

std::vector<Message> parse_messages(const OrderedJson& value, const std::string& where) {
  if (!value.is_array()) fail(where, cat("have a list of messages, but it is a JSON ", value.type_name()));
  if (value.empty()) fail(where, "have at least one message, but has none");
  std::vector<Message> messages;
  messages.reserve(value.size());
  for (const OrderedJson& item : value)
    messages.push_back(parse_message(item, messages.size(), where));
  return messages;
}

ChatInput parse_chat(const OrderedJson& value, const std::string& where) {
  ChatInput chat;
  if (!value.is_object()) {
    chat.messages = parse_messages(value, where);
    return chat;
  }
  const OrderedJson* messages = field(value, "messages");
  if (messages == nullptr) fail(where, "have \"messages\", but has none");
  chat.messages = parse_messages(*messages, where);
  if (const OrderedJson* prompt = field(value, "add_generation_prompt")) {
    if (!prompt->is_boolean()) fail(where, "have true or false as \"add_generation_prompt\", but has another value");
    chat.options.add_generation_prompt = prompt->get<bool>();
  }
  if (const OrderedJson* tools = field(value, "tools")) read_tools(*tools, where, chat.options);
  if (const OrderedJson* date = field(value, "date")) {
    if (!date->is_string()) fail(where, "have a day as \"date\", but it is no text");
    chat.options.date = date->get<std::string>();
  }
  if (const OrderedJson* variables = field(value, "chat_template_kwargs")) {
    if (!variables->is_object()) fail(where, "have an object as \"chat_template_kwargs\", but has another value");
    chat.options.variables = *variables;
  }
  if (const OrderedJson* documents = field(value, "documents")) {
    if (!documents->is_array()) fail(where, "have a list as \"documents\", but has another value");
    chat.options.variables["documents"] = *documents;
  }
  return chat;
}

}  // namespace afina::text
