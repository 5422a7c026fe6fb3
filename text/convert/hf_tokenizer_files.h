// SPDX-License-Identifier: Apache-2.0
// A GGUF vocabulary as the files that transformers and tokenizers read: tokenizer.json, tokenizer_config.json,
// special_tokens_map.json, chat_template.jinja. The opposite of gguf_vocabulary.h.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "base/json.h"

namespace afina::formats {
class GgufFile;
}

namespace afina::text {

/// File name → content. max_positions goes into tokenizer_config.json's model_max_length. Throws ModelError for a
/// vocabulary without tokens or of a kind or `.pre` name that has no exact tokenizer.json.
std::map<std::string, std::string> hf_tokenizer_files(const formats::GgufFile& file, int64_t max_positions);

}  // namespace afina::text
