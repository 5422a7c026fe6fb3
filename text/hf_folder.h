// SPDX-License-Identifier: Apache-2.0
// What tokenizer_config.json, generation_config.json and chat_template.jinja of a Hugging Face folder say.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace afina::text {

struct HfTextFiles {
  std::map<std::string, std::string> special_tokens;  ///< "bos_token" → text, from tokenizer_config.json
  std::string chat_template;                          ///< "" where there is none
  std::string tool_template;                          ///< the one named tool_use, for chats with tools; "" for none
  std::vector<int32_t> eos_ids;                       ///< generation_config.json, else config.json
  bool add_bos = false;                               ///< tokenizer_config.json's add_bos_token
};

/// Missing files leave fields empty. Throws DataError for broken JSON or a field of the wrong type.
HfTextFiles read_hf_text_files(const std::filesystem::path& folder);

}  // namespace afina::text
