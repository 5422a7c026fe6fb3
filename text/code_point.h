// SPDX-License-Identifier: Apache-2.0
// Reading one character of UTF-8 that was validated before.
#pragma once
#include <cstddef>
#include <string_view>

namespace afina::text {

struct CodePoint {
  char32_t value;
  size_t length_bytes;
};

/// The character that begins at pos; text must be valid UTF-8.
inline CodePoint decode_at(std::string_view text, size_t pos) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[pos + i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {((lead & 0x1f) << 6) | (byte(1) & 0x3f), 2};
  if (lead < 0xf0) return {((lead & 0x0f) << 12) | ((byte(1) & 0x3f) << 6) | (byte(2) & 0x3f), 3};
  return {((lead & 0x07) << 18) | ((byte(1) & 0x3f) << 12) | ((byte(2) & 0x3f) << 6) | (byte(3) & 0x3f), 4};
}

/// Where the character before `end` begins.
inline size_t previous_character(std::string_view text, size_t end) {
  do
    --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80);
  return end;
}

}  // namespace afina::text
