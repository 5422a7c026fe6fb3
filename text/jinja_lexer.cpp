// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/cat.h"
#include "base/utf8.h"
#include "text/jinja_syntax.h"

namespace afina::text::jinja {

namespace {

constexpr std::array<std::string_view, 27> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                         "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                         ">",  "<",  "=",  ".",  ":",  "|",  ",", ";", "!"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Line ends become \n and one final line end is dropped, as jinja2 does.
std::string normalized(const std::string& source) {
  std::string out;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(const std::string& source, const JinjaLimits& limits) : source_(normalized(source)), limits_(limits) {}

  std::vector<Token> run() {
    while (at_ < source_.size())
      data();
    tokens_.push_back({TokenKind::end, "end of template", line_});
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw TemplateError(cat("line ", line_, ": ", what)); }

  bool starts(std::string_view text, size_t at) const { return source_.compare(at, text.size(), text) == 0; }

  size_t space_length(size_t at) const {
    const auto lead = static_cast<unsigned char>(source_[at]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const auto points = code_points(std::string_view(source_).substr(at, length));
    return !points.empty() && py_is_space(points[0]) ? length : 0;
  }

  size_t skip_space(size_t at) const {
    while (at < source_.size()) {
      const size_t length = space_length(at);
      if (length == 0) break;
      at += length;
    }
    return at;
  }

  void advance(size_t to) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<ptrdiff_t>(at_), source_.begin() + static_cast<ptrdiff_t>(to), '\n'));
    at_ = to;
    line_starting_ = to > 0 && source_[to - 1] == '\n';
  }

  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  // {%- raw %} or {% endraw -%} at `at`: the place behind the name, or 0.
  size_t raw_tag(size_t at, std::string_view name) const {
    if (!starts("{%", at)) return 0;
    at += 2;
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
    at = skip_space(at);
    if (!starts(name, at)) return 0;
    return at + name.size();
  }

  // The place behind "%}" (with its sign and what it trims) at `at` once blanks are skipped, or 0.
  size_t tag_end(size_t at, bool trims_newline) const {
    at = skip_space(at);
    if (starts("-%}", at)) return skip_space(at + 3);
    if (trims_newline && starts("+%}", at)) return at + 3;
    if (!starts("%}", at)) return 0;
    at += 2;
    return trims_newline && at < source_.size() && source_[at] == '\n' ? at + 1 : at;
  }

  // Text before a tag at `end`, whose sign and kind say what is stripped.
  void add_data(size_t end, char sign, bool is_variable) {
    std::string text = source_.substr(at_, end - at_);
    if (sign == '-') {
      text = py_to_utf8(py_strip(py_from_utf8(text), false, true));
    } else if (sign != '+' && !is_variable) {
      const size_t newline = text.rfind('\n');
      const size_t begin = newline == std::string::npos ? 0 : newline + 1;
      if ((begin > 0 || line_starting_) && begin < text.size()) {
        const PyText rest = py_from_utf8(std::string_view(text).substr(begin));
        if (std::all_of(rest.begin(), rest.end(), py_is_space)) text.resize(begin);
      }
    }
    if (!text.empty()) add(TokenKind::data, text);
  }

  char sign_at(size_t at) const {
    return at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : 0;
  }

  void data() {
    size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        tag = std::string::npos;
        break;
      }
      if (source_[tag + 1] == '{' || source_[tag + 1] == '%' || source_[tag + 1] == '#') break;
    }
    if (tag == std::string::npos) {
      add(TokenKind::data, source_.substr(at_));
      return advance(source_.size());
    }
    const char sign = sign_at(tag + 2);
    const bool is_variable = source_[tag + 1] == '{';
    if (source_[tag + 1] == '%') {
      if (const size_t name_end = raw_tag(tag, "raw"); name_end != 0) {
        if (const size_t end = tag_end(name_end, false); end != 0) {
          add_data(tag, sign, false);
          advance(end);
          return raw();
        }
      }
    }
    add_data(tag, sign, is_variable);
    if (source_[tag + 1] == '#') return comment(tag + 2 + (sign != 0));
    advance(tag);
    add(is_variable ? TokenKind::variable_begin : TokenKind::block_begin, source_.substr(tag, 2));
    advance(tag + 2 + (sign != 0));
    block(is_variable);
  }

  void comment(size_t from) {
    const size_t end = source_.find("#}", from);
    if (end == std::string::npos) fail("Missing end of comment tag");
    if (end > from && source_[end - 1] == '-') return advance(skip_space(end + 2));
    const bool keeps = end > from && source_[end - 1] == '+';
    const size_t after = end + 2;
    advance(!keeps && after < source_.size() && source_[after] == '\n' ? after + 1 : after);
  }

  void raw() {
    for (size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 1)) {
      const size_t name_end = raw_tag(tag, "endraw");
      const size_t end = name_end != 0 ? tag_end(name_end, true) : 0;
      if (end == 0) continue;
      add_data(tag, sign_at(tag + 2), false);
      return advance(end);
    }
    fail("Missing end of raw directive");
  }

  void block(bool is_variable) {
    std::string brackets;
    const size_t first = tokens_.size();
    for (;;) {
      at_ = skip_and_count();
      if (at_ >= source_.size()) fail("unexpected end of template");
      if (tokens_.size() - first > limits_.block_tokens) {
        throw LimitError(cat("at most ", limits_.block_tokens, " tokens in one block"));
      }
      if (brackets.empty() && block_end(is_variable)) return;
      const char c = source_[at_];
      if (is_digit(c)) {
        number();
      } else if (c == '\'' || c == '"') {
        string(c);
      } else if (!name()) {
        op(brackets);
      }
      if (brackets.size() > limits_.nesting) throw LimitError(cat("at most ", limits_.nesting, " levels of nesting"));
    }
  }

  size_t skip_and_count() {
    const size_t to = skip_space(at_);
    advance(to);
    return to;
  }

  bool block_end(bool is_variable) {
    const std::string_view close = is_variable ? "}}" : "%}";
    const bool dash = starts(cat("-", close), at_);
    const bool plus = !is_variable && starts("+%}", at_);
    if (!dash && !plus && !starts(close, at_)) return false;
    add(is_variable ? TokenKind::variable_end : TokenKind::block_end, std::string(close));
    size_t end = at_ + (dash || plus ? 3 : 2);
    if (dash) {
      end = skip_space(end);
    } else if (!plus && !is_variable && end < source_.size() && source_[end] == '\n') {
      ++end;
    }
    advance(end);
    return true;
  }

  // Digits with single underscores between.
  size_t digits(size_t at) const {
    while (at < source_.size() && (is_digit(source_[at]) || (source_[at] == '_' && is_digit(source_[at - 1]) &&
                                                             at + 1 < source_.size() && is_digit(source_[at + 1]))))
      ++at;
    return at;
  }

  void number() {
    const auto char_at = [&](size_t at) { return at < source_.size() ? source_[at] : '\0'; };
    const size_t whole = digits(at_);
    size_t end = whole;
    bool is_real = false;
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (!after_dot && char_at(end) == '.' && is_digit(char_at(end + 1))) {
      end = digits(end + 1);
      is_real = true;
    }
    if (!after_dot && (char_at(end) | 0x20) == 'e') {
      const size_t exponent = end + 1 + (char_at(end + 1) == '+' || char_at(end + 1) == '-');
      if (is_digit(char_at(exponent))) {
        end = digits(exponent);
        is_real = true;
      }
    }
    const char base = static_cast<char>(char_at(at_ + 1) | 0x20);
    if (!is_real && source_[at_] == '0' && (base == 'x' || base == 'o' || base == 'b')) {
      end = at_ + 2;
      while (std::isxdigit(static_cast<unsigned char>(char_at(end))) != 0 || char_at(end) == '_')
        ++end;
    }
    std::string text = source_.substr(at_, end - at_);
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    add(is_real ? TokenKind::real : TokenKind::integer, text);
    advance(end);
  }

  bool name() {
    size_t end = at_;
    while (end < source_.size()) {
      const auto c = static_cast<unsigned char>(source_[end]);
      if (c < 0x80) {
        if (std::isalnum(c) == 0 && c != '_') break;
        ++end;
        continue;
      }
      const size_t length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
      const auto points = code_points(std::string_view(source_).substr(end, length));
      if (points.empty() || !py_is_alnum(points[0])) break;
      end += length;
    }
    if (end == at_) return false;
    add(TokenKind::name, source_.substr(at_, end - at_));
    advance(end);
    return true;
  }

  void op(std::string& brackets) {
    const auto found =
        std::find_if(kOperators.begin(), kOperators.end(), [&](std::string_view text) { return starts(text, at_); });
    if (found == kOperators.end() || *found == "!") fail(cat("unexpected char '", source_[at_], "'"));
    const char c = (*found)[0];
    if (found->size() == 1 && (c == '(' || c == '[' || c == '{')) {
      brackets += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (brackets.empty()) fail(cat("unexpected '", c, "'"));
      if (brackets.back() != c) fail(cat("unexpected '", c, "', expected '", brackets.back(), "'"));
      brackets.pop_back();
    }
    add(TokenKind::op, std::string(*found));
    advance(at_ + found->size());
  }

  void string(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote)
      end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("unexpected char: a text must end with its quote");
    add(TokenKind::string, unescaped(source_.substr(at_ + 1, end - at_ - 1)));
    advance(end + 1);
  }

  // Python's unicode-escape.
  std::string unescaped(const std::string& text) const {
    static constexpr std::string_view kCodes = "abfnrtv\\'\"";
    static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      const size_t known = kCodes.find(c);
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
      if (known != std::string_view::npos) {
        out += kValues[known];
      } else if (digits > 0) {
        append_escape(out, text.substr(i + 1, digits), digits, 16);
        i += digits;
      } else if (c >= '0' && c <= '7') {
        size_t n = 1;
        while (n < 3 && i + n < text.size() && text[i + n] >= '0' && text[i + n] <= '7')
          ++n;
        append_escape(out, text.substr(i, n), n, 8);
        i += n - 1;
      } else if (c != '\n') {
        out += '\\';
        out += c;
      }
    }
    return out;
  }

  void append_escape(std::string& out, const std::string& number, size_t digits, int base) const {
    const bool valid = number.size() == digits &&
                       std::all_of(number.begin(), number.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
    const unsigned long point = valid ? std::stoul(number, nullptr, base) : 0x110000;
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) fail("a text must have escapes of real characters");
    append_utf8(out, static_cast<char32_t>(point));
  }

  std::string source_;
  const JinjaLimits& limits_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
};

}  // namespace

std::vector<Token> tokenize(const std::string& source, const JinjaLimits& limits) {
  return Lexer(source, limits).run();
}

}  // namespace afina::text::jinja
