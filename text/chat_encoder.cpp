// SPDX-License-Identifier: Apache-2.0
#include "text/chat_encoder.h"

#include <algorithm>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/assistant_mask.h"

namespace afina::text {

namespace {

RenderOptions render_options(const ChatOptions& options) {
  return {options.add_generation_prompt, options.date, options.tools, options.variables};
}

bool is_blank(const std::string& content) {
  return std::all_of(content.begin(), content.end(), [](unsigned char c) { return std::isspace(c) != 0; });
}

// Compares the control tokens of a render with those that the template alone would write.
class ControlCheck {
 public:
  ControlCheck(const Tokenizer& tokenizer, const ChatTemplate& chat_template, std::span<const Message> messages,
               const RenderOptions& options)
      : tokenizer_(tokenizer), template_(chat_template), messages_(messages), harmless_options_(options) {
    for (const Message& message : messages)
      harmless_.push_back(message);
    for (Message& message : harmless_) {
      message.extra = harmless(message.extra);
      // Blank content stays: templates ask whether there is any, and blanks spell nothing.
      if (!is_blank(message.content)) set_content(message, "x");
    }
    harmless_options_.tools = harmless(options.tools);
    harmless_options_.variables = options.variables;
    if (options.variables.contains("documents")) {
      harmless_options_.variables["documents"] = harmless(options.variables["documents"]);
    }
  }

  /// Throws DataError naming the first message whose text alone changes the control tokens.
  void require(std::span<const TokenSpan> spans) const {
    const std::vector<int32_t> expected = controls_of(harmless_);
    if (controls_among(spans) == expected) return;
    for (size_t i = 0; i < messages_.size(); ++i) {
      std::vector<Message> one = harmless_;
      one[i] = messages_[i];
      if (controls_of(one) != expected) fail(cat("[message ", i, "]"));
    }
    fail("[chat]");
  }

 private:
  [[noreturn]] static void fail(const std::string& where) {
    throw DataError(
        cat(where, " text that people wrote must not change the control tokens of the rendered chat, but does"),
        "the chat template copies it in a way that hides where it came from; --parse-special accepts that");
  }

  std::vector<int32_t> controls_among(std::span<const TokenSpan> spans) const {
    std::vector<int32_t> ids;
    for (const TokenSpan& span : spans) {
      if (tokenizer_.is_special(span.id)) ids.push_back(span.id);
    }
    return ids;
  }

  // Texts that spell a control token become "x"; others stay, since templates ask for types and names.
  OrderedJson harmless(const OrderedJson& json) const {
    if (json.is_string()) {
      const std::string text = json.get<std::string>();
      if (!is_valid_utf8(text)) return json;
      const auto ids = tokenizer_.encode(text, {.parse_special = true});
      const bool spells = std::any_of(ids.begin(), ids.end(), [&](int32_t id) { return tokenizer_.is_special(id); });
      return spells ? OrderedJson("x") : json;
    }
    OrderedJson out = json;
    if (json.is_structured()) {
      for (OrderedJson& item : out)
        item = harmless(item);
    }
    return out;
  }

  std::vector<int32_t> controls_of(const std::vector<Message>& messages) const {
    const RenderedChat render = template_.render(messages, harmless_options_);
    return controls_among(tokenizer_.encode_marked(render.text, render.from_people));
  }

  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
  std::span<const Message> messages_;
  RenderOptions harmless_options_;
  std::vector<Message> harmless_;
};

}  // namespace

ChatEncoder::ChatEncoder(std::shared_ptr<const Tokenizer> tokenizer, std::shared_ptr<const ChatTemplate> chat_template,
                         std::shared_ptr<const ChatTemplate> tool_template)
    : tokenizer_(std::move(tokenizer)), template_(std::move(chat_template)), tool_template_(std::move(tool_template)) {
  AFINA_CHECK(tokenizer_ != nullptr && template_ != nullptr, "a chat encoder needs a tokenizer and a template");
}

EncodedChat ChatEncoder::encode(std::span<const Message> messages, const ChatOptions& options) const {
  const RenderOptions how = render_options(options);
  const ChatTemplate& chosen = tool_template_ != nullptr && !options.tools.is_null() ? *tool_template_ : *template_;
  RenderedChat render = chosen.render(messages, how);
  if (const size_t at = find_invalid_utf8(render.text); at != std::string::npos) {
    throw DataError(cat("[chat template] a render must be UTF-8, but byte ", at, " is not"));
  }
  const std::vector<TokenSpan> spans = options.parse_special
                                           ? tokenizer_->encode_spans(render.text, {.parse_special = true})
                                           : tokenizer_->encode_marked(render.text, render.from_people);
  if (!options.parse_special) ControlCheck(*tokenizer_, chosen, messages, how).require(spans);
  EncodedChat chat;
  chat.ids.reserve(spans.size());
  for (const TokenSpan& span : spans)
    chat.ids.push_back(span.id);
  if (options.with_mask && !options.add_generation_prompt) {
    chat.assistant_mask = assistant_mask(*tokenizer_, chosen, messages, how, render, spans);
  } else {
    chat.assistant_mask.assign(spans.size(), 0);
  }
  chat.text = std::move(render.text);
  chat.date = options.date;
  return chat;
}

}  // namespace afina::text
