// SPDX-License-Identifier: Apache-2.0
// A chat as people and programs write it in JSON, to messages and render options: the one parser of every command. The
// forms are TRL's, OpenAI's and what transformers' apply_chat_template takes.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "text/chat_encoder.h"

namespace afina::text {

struct ChatInput {
  std::vector<Message> messages;
  /// add_generation_prompt, date, tools and variables as the input says; the rest is default.
  ChatOptions options;
};

/// One message: an object with a "role"; "content" is a text, null, a list of parts or absent. Keys and their order are
/// kept for the template. Throws DataError "[where, message 3] must …".
Message parse_message(const OrderedJson& value, size_t index, const std::string& where);

/// A list of at least one message. Throws DataError naming the message.
std::vector<Message> parse_messages(const OrderedJson& value, const std::string& where);

/// A list of messages, or an object: "messages" (required), "add_generation_prompt" (bool), "tools" (list, or that list
/// as JSON text), "documents" (list), "date" ("2026-11-21"), "chat_template_kwargs" (object of template variables).
/// Other keys are ignored. Throws DataError naming the key or the message.
ChatInput parse_chat(const OrderedJson& value, const std::string& where);

}  // namespace afina::text
