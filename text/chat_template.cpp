// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include <algorithm>

#include "base/cat.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/frozen_date.h"
#include "text/jinja.h"

namespace afina::text {

namespace {

void check_message(const Message& message, size_t index) {
  const auto is_word = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; };
  if (message.role.empty() || message.role.size() > 64 ||
      !std::all_of(message.role.begin(), message.role.end(), is_word)) {
    throw DataError(cat("[message ", index, "] role must be 1 to 64 of A-Z a-z 0-9 _ -, but is '",
                        repair_utf8(message.role.substr(0, 100)), "'"));
  }
  if (const size_t at = find_invalid_utf8(message.content); at != std::string::npos) {
    throw DataError(cat("[message ", index, "] content must be UTF-8, but byte ", at, " is not"));
  }
}

}  // namespace

OrderedJson message_json(const Message& message) {
  if (message.extra.is_object() && message.extra.contains("role")) return message.extra;
  OrderedJson json = {{"role", message.role}, {"content", message.content}};
  if (message.extra.is_object()) json.update(message.extra);
  return json;
}

void set_content(Message& message, const std::string& content) {
  message.content = content;
  if (message.extra.is_object() && message.extra.contains("content") && message.extra["content"].is_string()) {
    message.extra["content"] = content;
  }
}

struct ChatTemplate::State {
  JinjaTemplate jinja;
};

ChatTemplate::ChatTemplate(std::string source, std::map<std::string, std::string> special_tokens)
    : source_(std::move(source)),
      sha256_(sha256_hex(source_)),
      special_tokens_(std::move(special_tokens)),
      state_(new State{JinjaTemplate(source_)}) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

bool ChatTemplate::marks_generation() const {
  return state_->jinja.marks_generation();
}

RenderedChat ChatTemplate::render(std::span<const Message> messages, const RenderOptions& options) const {
  if (messages.empty()) throw DataError("[chat] must have at least one message, but has none");
  const FrozenDate date(options.date);
  OrderedJson variables = OrderedJson::object();
  for (const auto& [name, token] : special_tokens_)
    variables[name] = token;
  variables["tools"] = options.tools;
  variables["documents"] = nullptr;
  // Templates with a clock make their own date text, in their own form.
  if (source_.find("strftime_now") == std::string::npos) variables["date_string"] = date.format("%d %b %Y");
  for (const auto& [name, value] : options.variables.items())
    variables[name] = value;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  OrderedJson& list = variables["messages"] = OrderedJson::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    check_message(messages[i], i);
    list.push_back(message_json(messages[i]));
  }
  auto rendered = state_->jinja.render(variables, [&](const std::string& format) { return date.format(format); });
  return {std::move(rendered.text), std::move(rendered.from_people), std::move(rendered.generation)};
}

}  // namespace afina::text
