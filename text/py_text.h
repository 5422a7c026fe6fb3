// SPDX-License-Identifier: Apache-2.0
// Python's str for templates: code points that carry two marks, whether people wrote them and whether they lie inside
// {% generation %}. Marks ride along with every slice, join and replacement, so none can be lost; comparing ignores
// them. Behaviour follows CPython's str methods.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace afina::text {

/// UTF-32 with marks in the high bits.
using PyText = std::u32string;

inline constexpr char32_t kFromPeople = 0x80000000;
inline constexpr char32_t kInGeneration = 0x40000000;
inline constexpr char32_t kCodePointMask = 0x1fffff;

inline char32_t plain(char32_t c) {
  return c & kCodePointMask;
}

PyText py_from_utf8(std::string_view utf8, bool from_people = false);
std::string py_to_utf8(const PyText& text);
bool py_equal(const PyText& a, const PyText& b);
bool py_equal(const PyText& a, std::string_view ascii);
/// Negative, zero, positive: by code points.
int py_compare(const PyText& a, const PyText& b);

/// Position of needle at or after `from`, or npos. Linear time.
size_t py_find(const PyText& text, const PyText& needle, size_t from = 0);
size_t py_rfind(const PyText& text, const PyText& needle);
size_t py_count(const PyText& text, const PyText& needle);
/// count < 0: all. An empty needle matches between all characters.
PyText py_replace(const PyText& text, const PyText& old, const PyText& with, int64_t count);
bool py_starts_with(const PyText& text, const PyText& prefix);
bool py_ends_with(const PyText& text, const PyText& suffix);

bool py_is_space(char32_t c);
bool py_is_printable(char32_t c);
bool py_is_alpha(char32_t c);
bool py_is_alnum(char32_t c);
bool py_is_digit(char32_t c);
bool py_is_decimal(char32_t c);
bool py_is_lower(char32_t c);
bool py_is_upper(char32_t c);
bool py_is_title(char32_t c);

PyText py_upper(const PyText& text);
PyText py_lower(const PyText& text);
PyText py_title(const PyText& text);
PyText py_capitalize(const PyText& text);
PyText py_swapcase(const PyText& text);
/// chars: none strips whitespace as str.strip() does (Unicode whitespace and U+001C to U+001F).
PyText py_strip(const PyText& text, bool left, bool right, const PyText* chars = nullptr);
/// separator null: runs of whitespace. limit < 0: no limit.
std::vector<PyText> py_split(const PyText& text, const PyText* separator, int64_t limit);
std::vector<PyText> py_rsplit(const PyText& text, const PyText* separator, int64_t limit);
std::vector<PyText> py_splitlines(const PyText& text, bool keep_ends);
/// repr(str): quoted and escaped.
PyText py_repr(const PyText& text);
/// repr(float).
std::string py_float(double value);

}  // namespace afina::text
