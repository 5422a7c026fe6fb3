// SPDX-License-Identifier: Apache-2.0
#include "formats/json_scanner.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/utf8.h"

namespace afina::formats {
namespace {

constexpr int kMaxDepth = 32;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

JsonScanner::JsonScanner(std::string_view text, std::string where, std::string what)
    : text_(text), where_(std::move(where)), what_(std::move(what)) {}

void JsonScanner::refuse(const std::string& what) const {
  const std::string place = at_ < text_.size() ? cat("byte ", at_) : std::string("its end");
  throw ModelError(cat("[", where_, "] must ", what, " at ", place, " of its ", what_, "."));
}

void JsonScanner::space() {
  at_ = std::min(text_.find_first_not_of(" \t\n\r", at_), text_.size());
}

char JsonScanner::peek() {
  space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

void JsonScanner::open(char bracket, const std::string& wanted) {
  if (peek() != bracket) refuse(cat("be JSON with ", wanted, ", but has not"));
  ++at_;
}

bool JsonScanner::next(char closing, bool& first) {
  const char c = peek();
  if (c == closing) {
    ++at_;
    return false;
  }
  if (first) {
    first = false;
    return true;
  }
  if (c != ',') refuse(cat("be JSON with a comma or \"", closing, "\", but has not"));
  ++at_;
  return true;
}

std::string JsonScanner::key(size_t max_bytes, const std::string& wanted) {
  std::string name = string(max_bytes, wanted);
  if (peek() != ':') refuse("be JSON with a colon after a name, but has not");
  ++at_;
  return name;
}

uint32_t JsonScanner::hex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0)
      refuse("be JSON with four hex digits after \\u, but has not");
    value = value * 16 + static_cast<uint32_t>(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10);
  }
  return value;
}

void JsonScanner::append_escape(std::string& out) {
  const char c = at_ < text_.size() ? text_[at_++] : '\0';
  constexpr std::string_view kLetters = "\"\\/bfnrt", kBytes = "\"\\/\b\f\n\r\t";
  if (const size_t found = kLetters.find(c); c != '\0' && found != std::string_view::npos) {
    out += kBytes[found];
    return;
  }
  if (c != 'u') refuse("be JSON with a known letter after \\, but has not");
  uint32_t point = hex4();
  if (point >= 0xD800 && point < 0xDC00) {
    if (text_.substr(at_, 2) != "\\u") refuse("be JSON with whole surrogate pairs, but has not");
    at_ += 2;
    const uint32_t low = hex4();
    if (low < 0xDC00 || low > 0xDFFF) refuse("be JSON with whole surrogate pairs, but has not");
    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
  } else if (point >= 0xDC00 && point < 0xE000) {
    refuse("be JSON with whole surrogate pairs, but has not");
  }
  append_utf8(out, point);
}

std::string JsonScanner::string(size_t max_bytes, const std::string& wanted) {
  if (peek() != '"') refuse(cat("be JSON with ", wanted, ", but has not"));
  ++at_;
  std::string out;
  while (true) {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
           static_cast<unsigned char>(text_[at_]) >= 32)
      ++at_;
    if (out.size() + (at_ - begin) > max_bytes)
      refuse(cat("have ", wanted, " of at most ", max_bytes, " bytes, but it is longer"));
    out.append(text_, begin, at_ - begin);
    if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) < 32)
      refuse("be JSON with a quote at the end of a string, but has not");
    if (text_[at_++] == '"') return out;
    append_escape(out);
  }
}

uint64_t JsonScanner::whole_number(const std::string& wanted) {
  space();
  const size_t begin = at_;
  uint64_t value = 0;
  bool fits = true;
  for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) {
    fits = fits && !__builtin_mul_overflow(value, uint64_t{10}, &value) &&
           !__builtin_add_overflow(value, static_cast<uint64_t>(text_[at_] - '0'), &value);
  }
  const bool leading_zero = at_ - begin > 1 && text_[begin] == '0';
  const char after = at_ < text_.size() ? text_[at_] : '\0';
  if (at_ == begin || leading_zero || !fits || after == '.' || after == 'e' || after == 'E')
    refuse(cat("have whole numbers below 2^64 in ", wanted, ", but has not"));
  return value;
}

void JsonScanner::skip_digits() {
  const size_t begin = at_;
  while (at_ < text_.size() && is_digit(text_[at_]))
    ++at_;
  if (at_ == begin) refuse("be JSON with digits, but has not");
}

void JsonScanner::skip_number() {
  if (peek() == '-') ++at_;
  if (at_ < text_.size() && text_[at_] == '0') {
    ++at_;
  } else {
    skip_digits();
  }
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    skip_digits();
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    skip_digits();
  }
}

void JsonScanner::skip_value(int depth) {
  if (depth == kMaxDepth) refuse(cat("be JSON of at most ", kMaxDepth, " levels, but it is deeper"));
  const char c = peek();
  if (c == '{' || c == '[') {
    ++at_;
    for (bool first = true; next(c == '{' ? '}' : ']', first);) {
      if (c == '{') key(text_.size(), "a name");
      skip_value(depth + 1);
    }
    return;
  }
  if (c == '"') {
    string(text_.size(), "a string");
    return;
  }
  for (const std::string_view word : {"true", "false", "null"}) {
    if (text_.substr(at_, word.size()) != word) continue;
    at_ += word.size();
    return;
  }
  skip_number();
}

void JsonScanner::finish() {
  space();
  if (at_ != text_.size()) refuse("end after its JSON, but something follows");
}

}  // namespace afina::formats
