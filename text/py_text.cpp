// SPDX-License-Identifier: Apache-2.0
#include "text/py_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/utf8.h"
#include "text/case_tables.h"

namespace afina::text {

namespace {

bool in_ranges(std::span<const CaseRange> ranges, char32_t c) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), c,
                                      [](char32_t value, const CaseRange& r) { return value < r.first; });
  return after != ranges.begin() && c <= (after - 1)->last;
}

bool equal_at(const PyText& text, size_t at, const PyText& needle) {
  for (size_t i = 0; i < needle.size(); ++i) {
    if (plain(text[at + i]) != plain(needle[i])) return false;
  }
  return true;
}

// Knuth, Morris and Pratt: a hostile needle must not make the search quadratic.
std::vector<size_t> borders(const PyText& needle) {
  std::vector<size_t> border(needle.size(), 0);
  for (size_t i = 1, k = 0; i < needle.size(); ++i) {
    while (k > 0 && plain(needle[i]) != plain(needle[k]))
      k = border[k - 1];
    if (plain(needle[i]) == plain(needle[k])) ++k;
    border[i] = k;
  }
  return border;
}

template <typename Found>
void each_match(const PyText& text, const PyText& needle, size_t from, bool overlapping, Found&& found) {
  const std::vector<size_t> border = borders(needle);
  size_t k = 0;
  for (size_t i = from; i < text.size(); ++i) {
    while (k > 0 && plain(text[i]) != plain(needle[k]))
      k = border[k - 1];
    if (plain(text[i]) == plain(needle[k])) ++k;
    if (k == needle.size()) {
      if (!found(i + 1 - k)) return;
      k = overlapping ? border[k - 1] : 0;
    }
  }
}

}  // namespace

PyText py_from_utf8(std::string_view utf8, bool from_people) {
  const std::vector<char32_t> points = code_points(utf8);
  PyText text(points.begin(), points.end());
  if (from_people) {
    for (char32_t& c : text)
      c |= kFromPeople;
  }
  return text;
}

std::string py_to_utf8(const PyText& text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text)
    append_utf8(out, plain(c));
  return out;
}

bool py_equal(const PyText& a, const PyText& b) {
  return a.size() == b.size() && equal_at(a, 0, b);
}

bool py_equal(const PyText& a, std::string_view ascii) {
  if (a.size() != ascii.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (plain(a[i]) != static_cast<unsigned char>(ascii[i])) return false;
  }
  return true;
}

int py_compare(const PyText& a, const PyText& b) {
  const size_t shorter = std::min(a.size(), b.size());
  for (size_t i = 0; i < shorter; ++i) {
    if (plain(a[i]) != plain(b[i])) return plain(a[i]) < plain(b[i]) ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

size_t py_find(const PyText& text, const PyText& needle, size_t from) {
  if (needle.empty()) return from <= text.size() ? from : PyText::npos;
  size_t at = PyText::npos;
  each_match(text, needle, from, false, [&](size_t match) {
    at = match;
    return false;
  });
  return at;
}

size_t py_rfind(const PyText& text, const PyText& needle) {
  if (needle.empty()) return text.size();
  size_t at = PyText::npos;
  each_match(text, needle, 0, true, [&](size_t match) {
    at = match;
    return true;
  });
  return at;
}

size_t py_count(const PyText& text, const PyText& needle) {
  if (needle.empty()) return text.size() + 1;
  size_t count = 0;
  each_match(text, needle, 0, false, [&](size_t) {
    ++count;
    return true;
  });
  return count;
}

PyText py_replace(const PyText& text, const PyText& old, const PyText& with, int64_t count) {
  PyText out;
  if (count == 0) return text;
  if (old.empty()) {
    for (size_t i = 0; i <= text.size(); ++i) {
      if (count < 0 || static_cast<int64_t>(i) < count) out += with;
      if (i < text.size()) out += text[i];
    }
    return out;
  }
  size_t done = 0;
  each_match(text, old, 0, false, [&](size_t match) {
    out.append(text, done, match - done);
    out += with;
    done = match + old.size();
    return count < 0 || --count > 0;
  });
  out.append(text, done, PyText::npos);
  return out;
}

bool py_starts_with(const PyText& text, const PyText& prefix) {
  return prefix.size() <= text.size() && equal_at(text, 0, prefix);
}

bool py_ends_with(const PyText& text, const PyText& suffix) {
  return suffix.size() <= text.size() && equal_at(text, text.size() - suffix.size(), suffix);
}

bool py_is_space(char32_t c) {
  c = plain(c);
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}
bool py_is_printable(char32_t c) {
  return !in_ranges(unprintable_ranges(), plain(c));
}
bool py_is_alpha(char32_t c) {
  return in_ranges(alphabetic_ranges(), plain(c));
}
bool py_is_alnum(char32_t c) {
  return py_is_alpha(c) || in_ranges(numeric_ranges(), plain(c));
}
bool py_is_digit(char32_t c) {
  return in_ranges(digit_ranges(), plain(c));
}
bool py_is_decimal(char32_t c) {
  return in_ranges(decimal_ranges(), plain(c));
}
bool py_is_lower(char32_t c) {
  return in_ranges(lowercase_ranges(), plain(c));
}
bool py_is_upper(char32_t c) {
  return in_ranges(uppercase_ranges(), plain(c));
}
bool py_is_title(char32_t c) {
  return in_ranges(titlecase_ranges(), plain(c));
}

PyText py_strip(const PyText& text, bool left, bool right, const PyText* chars) {
  const auto drops = [&](char32_t c) {
    if (chars == nullptr) return py_is_space(c);
    return std::any_of(chars->begin(), chars->end(), [&](char32_t other) { return plain(other) == plain(c); });
  };
  size_t begin = 0;
  size_t end = text.size();
  while (left && begin < end && drops(text[begin]))
    ++begin;
  while (right && end > begin && drops(text[end - 1]))
    --end;
  return text.substr(begin, end - begin);
}

std::vector<PyText> py_split(const PyText& text, const PyText* separator, int64_t limit) {
  std::vector<PyText> out;
  if (separator != nullptr) {
    size_t done = 0;
    if (limit != 0) {
      each_match(text, *separator, 0, false, [&](size_t match) {
        out.push_back(text.substr(done, match - done));
        done = match + separator->size();
        return limit < 0 || static_cast<int64_t>(out.size()) < limit;
      });
    }
    out.push_back(text.substr(done));
    return out;
  }
  size_t i = 0;
  for (;;) {
    while (i < text.size() && py_is_space(text[i]))
      ++i;
    if (i == text.size()) return out;
    if (limit >= 0 && static_cast<int64_t>(out.size()) == limit) {
      out.push_back(text.substr(i));
      return out;
    }
    const size_t begin = i;
    while (i < text.size() && !py_is_space(text[i]))
      ++i;
    out.push_back(text.substr(begin, i - begin));
  }
}

std::vector<PyText> py_rsplit(const PyText& text, const PyText* separator, int64_t limit) {
  // A reversed text split from the left, reversed again.
  const PyText reversed(text.rbegin(), text.rend());
  PyText reversed_separator;
  if (separator != nullptr) reversed_separator.assign(separator->rbegin(), separator->rend());
  std::vector<PyText> out = py_split(reversed, separator != nullptr ? &reversed_separator : nullptr, limit);
  std::reverse(out.begin(), out.end());
  for (PyText& part : out)
    std::reverse(part.begin(), part.end());
  return out;
}

std::vector<PyText> py_splitlines(const PyText& text, bool keep_ends) {
  const auto ends_line = [](char32_t c) {
    c = plain(c);
    return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  std::vector<PyText> out;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    while (i < text.size() && !ends_line(text[i]))
      ++i;
    const size_t end = i;
    if (i < text.size()) i += plain(text[i]) == '\r' && i + 1 < text.size() && plain(text[i + 1]) == '\n' ? 2 : 1;
    out.push_back(text.substr(begin, (keep_ends ? i : end) - begin));
  }
  return out;
}

PyText py_repr(const PyText& text) {
  const auto has = [&](char32_t quote) {
    return std::any_of(text.begin(), text.end(), [&](char32_t c) { return plain(c) == quote; });
  };
  const char32_t quote = has('\'') && !has('"') ? U'"' : U'\'';
  PyText out(1, quote);
  for (const char32_t marked : text) {
    const char32_t c = plain(marked);
    const char32_t marks = marked & ~kCodePointMask;
    const auto put = [&](std::string_view ascii) {
      for (const char a : ascii)
        out += static_cast<char32_t>(a) | marks;
    };
    char escaped[16];
    if (c == quote || c == '\\') {
      put("\\");
      out += marked;
    } else if (c == '\n') {
      put("\\n");
    } else if (c == '\r') {
      put("\\r");
    } else if (c == '\t') {
      put("\\t");
    } else if (py_is_printable(c)) {
      out += marked;
    } else {
      std::snprintf(escaped, sizeof escaped,
                    c < 0x100     ? "\\x%02x"
                    : c < 0x10000 ? "\\u%04x"
                                  : "\\U%08x",
                    static_cast<unsigned>(c));
      put(escaped);
    }
  }
  out += quote;
  return out;
}

std::string py_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string scientific(buffer, end);
  const size_t e = scientific.find('e');
  const int exponent = std::atoi(scientific.c_str() + e + 1);
  if (exponent < -4 || exponent >= 16) return scientific;
  end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string fixed(buffer, end);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

}  // namespace afina::text
