// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.h"

#include "text/char_class.h"
#include "text/code_point.h"

namespace afina::text {

namespace {

bool is_newline(char c) {
  return c == '\r' || c == '\n';
}

// One stretch of text; lookahead ends at its end, as it does where Digits cut the text first.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), classes_(CharClasses::get()) {}

  size_t next_gpt2(size_t pos) const {
    if (const size_t length = contraction(pos, false)) return pos + length;
    const bool joins_space = text_[pos] == ' ' && pos + 1 < text_.size() && class_at(pos + 1) != CharClass::space;
    const size_t start = joins_space ? pos + 1 : pos;
    const CharClass kind = class_at(start);
    return kind == CharClass::space ? end_of_space(pos) : end_of_run(start, kind);
  }

  size_t next_llama3(size_t pos, int max_digits) const {
    if (const size_t length = contraction(pos, true)) return pos + length;
    const CharClass kind = class_at(pos);
    if (kind == CharClass::letter) return end_of_run(pos, kind);
    if (kind == CharClass::number) return end_of_run(pos, kind, max_digits);
    const size_t after = pos + decode_at(text_, pos).length_bytes;
    if (!is_newline(text_[pos]) && after < text_.size() && class_at(after) == CharClass::letter) {
      return end_of_run(after, CharClass::letter);
    }
    const bool joins_space = text_[pos] == ' ' && after < text_.size() && class_at(after) == CharClass::other;
    if (joins_space || kind == CharClass::other) {
      size_t end = end_of_run(joins_space ? after : pos, CharClass::other);
      while (end < text_.size() && is_newline(text_[end]))
        ++end;
      return end;
    }
    const size_t end = end_of_run(pos, CharClass::space);
    for (size_t i = end; i > pos; --i) {
      if (is_newline(text_[i - 1])) return i;  // \s*[\r\n]+ gives back what follows the last newline
    }
    return end_of_space(pos);
  }

 private:
  CharClass class_at(size_t pos) const { return classes_.of(decode_at(text_, pos).value); }

  size_t end_of_run(size_t pos, CharClass kind, int max_chars = -1) const {
    while (pos < text_.size() && max_chars-- != 0) {
      const CodePoint c = decode_at(text_, pos);
      if (classes_.of(c.value) != kind) break;
      pos += c.length_bytes;
    }
    return pos;
  }

  // \s+(?!\S)|\s+ : leaves the last space of a run to the word that follows, unless it is the only one.
  size_t end_of_space(size_t pos) const {
    size_t last = pos;
    size_t end = pos;
    while (end < text_.size()) {
      const CodePoint c = decode_at(text_, end);
      if (classes_.of(c.value) != CharClass::space) break;
      last = end;
      end += c.length_bytes;
    }
    return end == text_.size() || last == pos ? end : last;
  }

  // Length of 's 't 're 've 'm 'll 'd at pos, or 0. With any case also U+017F, the long s, which folds to s.
  size_t contraction(size_t pos, bool any_case) const {
    if (text_[pos] != '\'') return 0;
    const auto letter = [&](size_t i) -> char {
      if (pos + i >= text_.size()) return '\0';
      const char c = text_[pos + i];
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    const char first = letter(1);
    const char second = letter(2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) return 3;
    if (any_case && text_.substr(pos + 1, 2) == "\u017f") return 3;
    return 0;
  }

  std::string_view text_;
  const CharClasses& classes_;
};

void add_gpt2(std::string_view text, size_t begin, size_t end, std::vector<size_t>& ends) {
  const Scanner scanner(text.substr(begin, end - begin));
  for (size_t pos = begin; pos < end;) {
    pos = begin + scanner.next_gpt2(pos - begin);
    ends.push_back(pos);
  }
}

void add_smollm(std::string_view text, std::vector<size_t>& ends) {
  const CharClasses& classes = CharClasses::get();
  size_t begin = 0;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint c = decode_at(text, pos);
    if (classes.is_numeric(c.value)) {
      add_gpt2(text, begin, pos, ends);
      begin = pos + c.length_bytes;
      ends.push_back(begin);
    }
    pos += c.length_bytes;
  }
  add_gpt2(text, begin, text.size(), ends);
}

}  // namespace

std::vector<size_t> piece_ends(SplitRule rule, std::string_view valid_text) {
  std::vector<size_t> ends;
  ends.reserve(valid_text.size() / 4);
  if (rule == SplitRule::gpt2) {
    add_gpt2(valid_text, 0, valid_text.size(), ends);
  } else if (rule == SplitRule::smollm) {
    add_smollm(valid_text, ends);
  } else {
    const Scanner scanner(valid_text);
    for (size_t pos = 0; pos < valid_text.size();) {
      pos = scanner.next_llama3(pos, rule == SplitRule::llama3 ? 3 : 1);
      ends.push_back(pos);
    }
  }
  return ends;
}

}  // namespace afina::text
