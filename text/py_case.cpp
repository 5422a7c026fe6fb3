// SPDX-License-Identifier: Apache-2.0
// str.upper, lower, title, capitalize and swapcase as CPython does them, full mappings and final sigma included.
#include <algorithm>

#include "text/case_tables.h"
#include "text/py_text.h"

namespace afina::text {

namespace {

void append_mapped(PyText& out, char32_t marked, std::span<const CaseRun> runs, std::span<const CaseSpecial> special) {
  const char32_t c = plain(marked);
  const char32_t marks = marked & ~kCodePointMask;
  const auto exact = std::lower_bound(special.begin(), special.end(), c,
                                      [](const CaseSpecial& s, char32_t value) { return s.code_point < value; });
  if (exact != special.end() && exact->code_point == c) {
    for (const uint32_t to : exact->to) {
      if (to != 0) out += static_cast<char32_t>(to) | marks;
    }
    return;
  }
  // Runs of step 2 interleave, so a few neighbours are asked.
  auto run = std::upper_bound(runs.begin(), runs.end(), c, [](char32_t v, const CaseRun& r) { return v < r.first; });
  for (int tried = 0; tried < 4 && run != runs.begin(); ++tried) {
    --run;
    if (c <= run->last && (c - run->first) % run->step == 0) {
      out += static_cast<char32_t>(static_cast<int64_t>(c) + run->delta) | marks;
      return;
    }
  }
  out += marked;
}

bool is_cased(char32_t c) {
  return py_is_lower(c) || py_is_upper(c) || py_is_title(c);
}

// Near enough to Unicode's Case_Ignorable for words: apostrophes, marks and dots between letters.
bool is_case_ignorable(char32_t c) {
  c = plain(c);
  return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xa8 || c == 0xad || c == 0xaf ||
         c == 0xb4 || c == 0xb7 || c == 0xb8 || (c >= 0x2b0 && c <= 0x36f) || c == 0x2019 || c == 0x200d;
}

void append_lower(PyText& out, const PyText& text, size_t i) {
  if (plain(text[i]) != 0x3a3) return append_mapped(out, text[i], lower_runs(), lower_special());
  size_t before = i;
  while (before > 0 && is_case_ignorable(text[before - 1]))
    --before;
  size_t after = i + 1;
  while (after < text.size() && is_case_ignorable(text[after]))
    ++after;
  const bool is_final = before > 0 && is_cased(text[before - 1]) && !(after < text.size() && is_cased(text[after]));
  out += (is_final ? 0x3c2u : 0x3c3u) | (text[i] & ~kCodePointMask);
}

}  // namespace

PyText py_upper(const PyText& text) {
  PyText out;
  for (const char32_t c : text)
    append_mapped(out, c, upper_runs(), upper_special());
  return out;
}

PyText py_lower(const PyText& text) {
  PyText out;
  for (size_t i = 0; i < text.size(); ++i)
    append_lower(out, text, i);
  return out;
}

PyText py_title(const PyText& text) {
  PyText out;
  bool in_word = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_word) {
      append_lower(out, text, i);
    } else {
      append_mapped(out, text[i], title_runs(), title_special());
    }
    in_word = is_cased(text[i]);
  }
  return out;
}

PyText py_capitalize(const PyText& text) {
  PyText out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == 0) {
      append_mapped(out, text[i], title_runs(), title_special());
    } else {
      append_lower(out, text, i);
    }
  }
  return out;
}

PyText py_swapcase(const PyText& text) {
  PyText out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (py_is_upper(text[i])) {
      append_lower(out, text, i);
    } else {
      append_mapped(out, text[i], upper_runs(), upper_special());
    }
  }
  return out;
}

}  // namespace afina::text
