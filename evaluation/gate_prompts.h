// SPDX-License-Identifier: Apache-2.0
// The short texts on which an exported model is compared with what it was made from: a file's, or the stored ones of
// the region, rendered with the model's own template.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "text/text_stack.h"

namespace afina::evaluation {

struct GatePrompt {
  std::string text;  ///< for messages; "(ids)" where there is none
  std::vector<int> ids;
};

/// Stored prompts in Spanish, Portuguese and English. With a chat template each is a user's message with an answer's
/// beginning; without one, plain text; without a tokenizer (text null), ids spread over the vocabulary, which the text
/// says. Each is cut to 64 ids.
std::vector<GatePrompt> stored_prompts(const text::TextStack* text, int64_t vocab_size);
/// A JSONL file of {"messages"} or {"ids"}, at most 256 lines. Throws DataError naming the line.
std::vector<GatePrompt> prompts_of_file(const std::filesystem::path& file, const text::TextStack* text,
                                        int64_t vocab_size);

}  // namespace afina::evaluation
