// SPDX-License-Identifier: Apache-2.0
// Hand-written scanners for the patterns that cut text into pieces before byte-level BPE: GPT-2, SmolLM2 (digits
// first), Llama 3 and Qwen2. Linear in the text; tests compare them with PCRE2.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace afina::text {

enum class SplitRule { gpt2, smollm, llama3, qwen2 };

/// Ends of the pieces, ascending; the last is text.size(). The pieces tile the text, which must be valid UTF-8.
std::vector<size_t> piece_ends(SplitRule rule, std::string_view valid_text);

/// The patterns as Hugging Face writes them, for recognising a tokenizer.json. smollm shares GPT-2's.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

}  // namespace afina::text
