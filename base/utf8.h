// SPDX-License-Identifier: Apache-2.0
// UTF-8 (RFC 3629): validation, code-point iteration, lossy repair. No normalisation, ever: text is kept as people
// wrote it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace afina {

/// Byte offset of the first invalid sequence (overlong forms, surrogates and > U+10FFFF are invalid), or npos.
size_t find_invalid_utf8(std::string_view text);
inline bool is_valid_utf8(std::string_view text) {
  return find_invalid_utf8(text) == std::string_view::npos;
}
/// One U+FFFD for each maximal invalid subpart (Unicode 16 §3.9), as Python and the WHATWG decoder do.
std::string repair_utf8(std::string_view bytes);
/// Length of the longest prefix that holds no incomplete sequence at its end; for streaming.
size_t complete_utf8_prefix(std::string_view bytes);
/// Code points of valid text. Undefined for invalid text: check first.
std::vector<char32_t> code_points(std::string_view valid_text);
void append_utf8(std::string& out, char32_t code_point);

}  // namespace afina
