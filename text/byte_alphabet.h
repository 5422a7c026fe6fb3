// SPDX-License-Identifier: Apache-2.0
// GPT-2's printable alphabet for bytes: vocabularies of byte-level BPE are written in it. Both ways, token by token.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "text/mapped_text.h"

namespace afina::text {

/// The bytes that a text wholly in the alphabet spells; nothing where any character lies outside it.
std::optional<std::string> alphabet_bytes(std::string_view token_text);
/// The bytes a token stands for. A token with any character outside the alphabet stands for its own UTF-8 (added tokens
/// such as "<|a b|>"), as in Hugging Face's ByteLevel decoder.
std::string bytes_of_token(std::string_view token_text);
/// Bytes in the alphabet's characters.
std::string token_of_bytes(std::string_view bytes);
/// Appends every byte of a part of `from` as its character, which stands for what the byte's character stood for.
void append_in_byte_alphabet(const MappedText& from, TextRange part, MappedBuilder& out);

}  // namespace afina::text
