// SPDX-License-Identifier: Apache-2.0
#include "text/byte_alphabet.h"

#include <array>

#include "base/utf8.h"
#include "text/code_point.h"

namespace afina::text {

namespace {

struct Alphabet {
  std::array<char32_t, 256> char_of_byte{};
  std::array<int, 0x144> byte_of_char{};  // -1: not in the alphabet

  Alphabet() {
    byte_of_char.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      const char32_t c = printable ? static_cast<char32_t>(byte) : next++;
      char_of_byte[static_cast<size_t>(byte)] = c;
      byte_of_char[c] = byte;
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

std::optional<std::string> alphabet_bytes(std::string_view token_text) {
  std::string bytes;
  if (!is_valid_utf8(token_text)) return std::nullopt;
  for (const char32_t c : code_points(token_text)) {
    const int byte = c < alphabet().byte_of_char.size() ? alphabet().byte_of_char[c] : -1;
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

std::string bytes_of_token(std::string_view token_text) {
  auto bytes = alphabet_bytes(token_text);
  return bytes ? std::move(*bytes) : std::string(token_text);
}

std::string token_of_bytes(std::string_view bytes) {
  std::string token;
  for (const char c : bytes)
    append_utf8(token, alphabet().char_of_byte[static_cast<unsigned char>(c)]);
  return token;
}

void append_in_byte_alphabet(const MappedText& from, TextRange part, MappedBuilder& out) {
  const std::string_view text = from.text();
  for (size_t pos = part.begin; pos < part.end;) {
    const size_t length = decode_at(text, pos).length_bytes;
    const TextRange origin = from.origin(pos, pos + length);
    for (const size_t end = pos + length; pos < end; ++pos)
      out.append(alphabet().char_of_byte[static_cast<unsigned char>(text[pos])], origin);
  }
}

}  // namespace afina::text
