// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

namespace afina {
namespace {

struct Sequence {
  size_t length = 0;  // bytes consumed: the whole sequence, or the maximal invalid subpart
  bool valid = false;
  bool truncated = false;  // ran into the end of the text while still a possible prefix
  char32_t code_point = 0;
};

// Table 3-7 of the Unicode standard: the second byte's range depends on the first.
Sequence read_sequence(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  if (first < 0x80) return {1, true, false, first};
  size_t need = 0;
  uint8_t low = 0x80, high = 0xBF;
  char32_t value = 0;
  if (first >= 0xC2 && first <= 0xDF) {
    need = 1;
    value = first & 0x1F;
  } else if (first >= 0xE0 && first <= 0xEF) {
    need = 2;
    value = first & 0x0F;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    need = 3;
    value = first & 0x07;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {1, false, false, 0};
  }
  for (size_t i = 1; i <= need; ++i) {
    if (at + i >= text.size()) return {i, false, true, 0};
    const uint8_t next = byte(at + i);
    if (next < low || next > high) return {i, false, false, 0};
    value = (value << 6) | (next & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {need + 1, true, false, value};
}

}  // namespace

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto sequence = read_sequence(text, at);
    if (!sequence.valid) return at;
    at += sequence.length;
  }
  return std::string_view::npos;
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const auto sequence = read_sequence(bytes, at);
    if (sequence.valid) {
      out.append(bytes.substr(at, sequence.length));
    } else {
      out.append("\xEF\xBF\xBD");
    }
    at += sequence.length;
  }
  return out;
}

size_t complete_utf8_prefix(std::string_view bytes) {
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const size_t at = bytes.size() - back;
    if ((static_cast<uint8_t>(bytes[at]) & 0xC0) == 0x80) continue;
    return read_sequence(bytes, at).truncated ? at : bytes.size();
  }
  return bytes.size();
}

std::vector<char32_t> code_points(std::string_view valid_text) {
  std::vector<char32_t> out;
  out.reserve(valid_text.size());
  for (size_t at = 0; at < valid_text.size();) {
    const auto sequence = read_sequence(valid_text, at);
    out.push_back(sequence.valid ? sequence.code_point : U'\uFFFD');
    at += sequence.length;
  }
  return out;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (c >> 6)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (c >> 12)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (c >> 18)));
    out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

}  // namespace afina
