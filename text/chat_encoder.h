// SPDX-License-Identifier: Apache-2.0
// Messages to ids and the assistant mask (docs/decisions.md): what people wrote never becomes a control token, and ids
// equal the peers' wherever nobody wrote one. The one path of collecting, training and chatting.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace afina::text {

struct ChatOptions {
  bool add_generation_prompt = false;
  /// The peers' behaviour: control tokens that people spelled become control tokens. For parity only.
  bool parse_special = false;
  /// False: the mask is all zero and templates without a usable mask are accepted. Also zero with the generation
  /// prompt.
  bool with_mask = true;
  std::string date = kFrozenDate;
  OrderedJson tools = nullptr;
  OrderedJson variables = OrderedJson::object();
};

struct EncodedChat {
  std::vector<int32_t> ids;
  /// 1 = trained in assistant-only loss: every token that overlaps an assistant's content, and the end-of-turn token.
  std::vector<uint8_t> assistant_mask;
  std::string text;  ///< the render, byte for byte
  std::string date;  ///< the frozen date it was rendered with
};

/// Holds shared, immutable parts; copyable; any thread may use it.
class ChatEncoder {
 public:
  /// tool_template: used where a chat brings tools, as transformers uses the template named tool_use; may be null.
  ChatEncoder(std::shared_ptr<const Tokenizer> tokenizer, std::shared_ptr<const ChatTemplate> chat_template,
              std::shared_ptr<const ChatTemplate> tool_template = nullptr);

  /// Throws DataError: an empty conversation, a template that refuses the messages, no mask (its prefixes do not
  /// agree), or control tokens that differ from those of the same chat with every content replaced by "x" (message
  /// named); texts in tool calls, parts, tools and documents are replaced where they spell a control token.
  EncodedChat encode(std::span<const Message> messages, const ChatOptions& options = {}) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const ChatTemplate& chat_template() const { return *template_; }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ChatTemplate> template_;
  std::shared_ptr<const ChatTemplate> tool_template_;
};

}  // namespace afina::text
