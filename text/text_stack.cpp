// SPDX-License-Identifier: Apache-2.0
#include "text/text_stack.h"

#include "base/cat.h"
#include "base/error.h"
#include "formats/gguf.h"
#include "text/hf_folder.h"

namespace afina::text {

namespace {

std::map<std::string, std::string> special_tokens(const Tokenizer& tokenizer) {
  std::map<std::string, std::string> tokens;
  const auto add = [&](const char* name, std::optional<int32_t> id) {
    if (id) tokens[name] = tokenizer.token_bytes(*id);
  };
  add("bos_token", tokenizer.bos_id());
  add("eos_token", tokenizer.eos_id());
  add("pad_token", tokenizer.pad_id());
  add("unk_token", tokenizer.unk_id());
  return tokens;
}

TextStack make_stack(Tokenizer tokenizer, const HfTextFiles& files, const std::string& where) {
  TextStack stack;
  auto tokens = special_tokens(tokenizer);
  for (const auto& [name, token] : files.special_tokens)
    tokens[name] = token;
  stack.tokenizer = std::make_shared<const Tokenizer>(std::move(tokenizer));
  try {
    if (!files.chat_template.empty()) {
      stack.chat_template = std::make_shared<const ChatTemplate>(files.chat_template, tokens);
    }
    if (!files.tool_template.empty()) {
      stack.tool_template = std::make_shared<const ChatTemplate>(files.tool_template, tokens);
    }
  } catch (const ModelError& error) {
    throw ModelError(cat("[", where, "] ", error.what()));
  }
  return stack;
}

}  // namespace

ChatEncoder TextStack::encoder() const {
  if (chat_template == nullptr) {
    throw ModelError("[model] must carry a chat template, but carries none", "give one as chat_template.jinja");
  }
  return ChatEncoder(tokenizer, chat_template, tool_template);
}

TextStack load_text_stack(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return make_stack(load_hf_tokenizer(path), read_hf_text_files(path), path.string());
  }
  if (path.extension() == ".json") {
    return make_stack(load_tokenizer_json(path), read_hf_text_files(path.parent_path()), path.string());
  }
  const formats::GgufFile file(path);
  HfTextFiles files;
  files.chat_template = file.find_string("tokenizer.chat_template").value_or("");
  files.tool_template = file.find_string("tokenizer.chat_template.tool_use").value_or("");
  return make_stack(load_gguf_tokenizer(file), files, path.string());
}

}  // namespace afina::text
