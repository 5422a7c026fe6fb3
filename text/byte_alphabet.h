// SPDX-License-Identifier: Apache-2.0
// GPT-2's printable alphabet for bytes: vocabularies of byte-level BPE are written in it. Both ways, token by token.
#pragma once
#include <string>
#include <string_view>

namespace afina::text {

/// The bytes a token stands for. A token with any character outside the alphabet stands for its own UTF-8 (added tokens
/// such as "<|a b|>"), as in Hugging Face's ByteLevel decoder.
std::string bytes_of_token(std::string_view token_text);
/// Bytes in the alphabet's characters.
std::string token_of_bytes(std::string_view bytes);

}  // namespace afina::text
