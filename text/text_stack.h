// SPDX-License-Identifier: Apache-2.0
// Tokenizer and chat template of one model, from a GGUF file or a Hugging Face folder; and the check that they fit
// together. Weights: model/.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "text/chat_encoder.h"

namespace afina::text {

struct TextStack {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;  ///< null where the model carries none
  std::shared_ptr<const ChatTemplate> tool_template;  ///< for chats with tools, where the model names one; may be null

  /// Throws ModelError where the model has no chat template.
  ChatEncoder encoder() const;
};

/// path: a GGUF file (one with a vocabulary only too), a tokenizer.json, or a folder with tokenizer.json
/// (tokenizer_config.json, chat_template.jinja and generation_config.json are read where present; chat_template.jinja
/// wins). Throws NotFound, DataError or ModelError.
TextStack load_text_stack(const std::filesystem::path& path);

/// Renders, tokenises and masks a short chat and asks whether generation would stop where training taught it to.
/// One sentence a finding; empty where all is well. Never throws for a bad template: that is a finding.
std::vector<std::string> check_template(const TextStack& stack);

/// Whether a short chat is rendered, encoded and gets tokens to train. False where training on messages is senseless.
bool masks_answers(const TextStack& stack);

}  // namespace afina::text
