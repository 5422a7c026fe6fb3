// SPDX-License-Identifier: Apache-2.0
// A model's chat template (Jinja, transformers' dialect): messages to text, with the ranges that people wrote. Dates
// are frozen: the same messages, variables and date give the same bytes on every day. Tokens and masks: chat_encoder.h.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace afina::text {

struct Message {
  std::string role;  ///< 1 to 64 of [A-Za-z0-9_-]; "system", "user", "assistant", "tool", …
  std::string content;
  /// What a plain message has not; null for none. Either further keys ("tool_calls", "tool_call_id", "name", …; a
  /// "content" here, null or a list of parts, takes the place of content), or, where it has a "role", the whole message
  /// as it came, keys in their order. Templates see it as transformers passes it; its strings are from people.
  OrderedJson extra = nullptr;
  bool operator==(const Message&) const = default;
};

/// The message as templates see it: {"role", "content", …}.
OrderedJson message_json(const Message& message);
/// Replaces the content, in `extra` too where it has a text there.
void set_content(Message& message, const std::string& content);

/// The date every template sees unless the caller gives another: the default of Llama 3.1's own template.
inline constexpr const char* kFrozenDate = "2024-07-26";

struct RenderOptions {
  bool add_generation_prompt = false;
  /// ISO date (UTC) behind strftime_now, and behind date_string in templates without strftime_now. Record it with
  /// whatever you store of the render.
  std::string date = kFrozenDate;
  /// TRL's `tools` list; null for none.
  OrderedJson tools = nullptr;
  /// Further template variables ("enable_thinking": true, …); an object. They are trusted as the template is, but for
  /// "documents", whose strings are from people.
  OrderedJson variables = OrderedJson::object();
};

struct RenderedChat {
  std::string text;
  std::vector<TextRange> from_people;  ///< bytes that came from messages (not roles), tools and documents; sorted
  std::vector<TextRange> generation;   ///< bytes inside {% generation %} blocks; empty where the template has none
};

/// Immutable; render may be called from any thread.
class ChatTemplate {
 public:
  /// special_tokens: "bos_token" → "<s>", …; seen by the template as variables. Throws ModelError for a template above
  /// 1 MiB or with a syntax error (line named).
  ChatTemplate(std::string source, std::map<std::string, std::string> special_tokens);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  const std::string& source() const { return source_; }
  /// SHA-256 of the source, lower-case hex; stored with every generation.
  const std::string& sha256() const { return sha256_; }
  bool marks_generation() const;

  /// Throws DataError where the template refuses the messages (raise_exception's text quoted), for a role or date of
  /// another form, or for output above 64 MiB.
  RenderedChat render(std::span<const Message> messages, const RenderOptions& options = {}) const;

 private:
  struct State;
  std::string source_;
  std::string sha256_;
  std::map<std::string, std::string> special_tokens_;
  std::unique_ptr<State> state_;
};

}  // namespace afina::text
