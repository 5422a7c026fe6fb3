// SPDX-License-Identifier: Apache-2.0
// Oniguruma's Ruby syntax into PCRE2's. Classes become ranges of code points; the rest is copied construct by
// construct, so that nothing passes that was not looked at.
#include <algorithm>
#include <charconv>

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/code_point_set.h"
#include "text/regex.h"

namespace afina::text {

namespace {

constexpr int kMaxClassDepth = 16;
constexpr size_t kMaxTranslatedBytes = size_t{1} << 20;

[[noreturn]] void refuse(const std::string& what) {
  throw ModelError(cat("must use only what this program can match as Oniguruma does, but has ", what));
}

std::string hex(char32_t c) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, static_cast<uint32_t>(c), 16).ptr;
  return cat("\\x{", std::string_view(digits, static_cast<size_t>(end - digits)), "}");
}

const CodePointSet& everything() {
  static const CodePointSet set({{0, kLastCodePoint}});
  return set;
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) {
    if (!is_valid_utf8(pattern)) refuse("bytes that are not UTF-8");
    const auto points = code_points(pattern);
    in_.assign(points.begin(), points.end());
  }

  std::string run() {
    while (!at_end()) {
      one();
      if (out_.size() > kMaxTranslatedBytes) refuse("too many large classes");
    }
    return std::move(out_);
  }

 private:
  bool at_end() const { return pos_ >= in_.size(); }
  char32_t peek(size_t ahead = 0) const { return pos_ + ahead < in_.size() ? in_[pos_ + ahead] : 0; }
  char32_t next() {
    if (at_end()) refuse("an end in the middle of a construct");
    return in_[pos_++];
  }
  bool accept(char32_t c) {
    if (at_end() || in_[pos_] != c) return false;
    ++pos_;
    return true;
  }
  bool accept(std::u32string_view text) {
    if (in_.compare(pos_, text.size(), text) != 0) return false;
    pos_ += text.size();
    return true;
  }

  void atom(const std::string& text) {
    atom_ = out_.size();
    out_ += text;
  }

  void one() {
    const char32_t c = next();
    switch (c) {
      case '(':
        return open_group();
      case ')':
        out_ += ')';
        if (groups_.empty()) refuse("a ')' without its '('");
        atom_ = groups_.back();
        groups_.pop_back();
        return;
      case '[':
        return atom(class_text());
      case '\\':
        return escape();
      case '*':
      case '+':
      case '?':
        out_ += static_cast<char>(c);
        return after_quantifier(false);
      case '{':
        return braces();
      case '|':
      case '^':
      case '$':
      case '.':
        return atom(std::string(1, static_cast<char>(c)));
      default:
        return literal(c);
    }
  }

  void literal(char32_t c) {
    if (c == '#' || c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
      if (!is_extended_) return atom(hex(c));
      if (c != '#') return;  // with (?x) blanks and comments do not count
      while (!at_end() && next() != '\n') {
      }
      return;
    }
    std::string text;
    if (c < 0x80 && !is_alphanumeric(c)) text += '\\';
    append_utf8(text, c);
    atom(text);
  }
  static bool is_alphanumeric(char32_t c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  }

  // A lazy or possessive mark, which PCRE2 reads as Ruby does; of intervals only the lazy one of a true range.
  void after_quantifier(bool is_interval) {
    if (is_interval) return;
    if (peek() == '?' || peek() == '+') out_ += static_cast<char>(next());
  }

  void braces() {
    size_t i = pos_;
    const auto digits = [&] {
      std::string text;
      while (i < in_.size() && in_[i] >= '0' && in_[i] <= '9')
        text += static_cast<char>(in_[i++]);
      return text;
    };
    const std::string low = digits();
    const bool has_comma = i < in_.size() && in_[i] == ',';
    if (has_comma) ++i;
    const std::string high = has_comma ? digits() : low;
    if (i >= in_.size() || in_[i] != '}' || (low.empty() && high.empty())) return literal('{');
    if (low.size() > 5 || high.size() > 5) refuse("a repetition above 99999");
    pos_ = i + 1;
    out_ += cat("{", low.empty() ? "0" : low, has_comma ? "," : "", has_comma ? high : "", "}");
    // Ruby: x{2}? is (?:x{2})?, and x{2,3}+ is (?:x{2,3})+; PCRE2 reads them as lazy and possessive.
    const bool wraps = (peek() == '?' && !has_comma) || peek() == '+';
    if (wraps) {
      out_.insert(atom_, "(?:");
      out_ += ')';
      out_ += static_cast<char>(next());
    } else if (peek() == '?') {
      out_ += static_cast<char>(next());
    }
  }

  void open_group() {
    if (peek() == '*') refuse("(*…)");
    groups_.push_back(out_.size());
    if (groups_.size() > 100) refuse("groups deeper than 100");
    if (!accept('?')) {
      out_ += '(';
      return;
    }
    if (accept('#')) {
      groups_.pop_back();
      while (next() != ')') {
      }
      return;
    }
    for (const std::u32string_view plain : {U":", U"=", U"!", U">", U"<=", U"<!"}) {
      if (!accept(plain)) continue;
      out_ += "(?";
      for (const char32_t c : plain)
        out_ += static_cast<char>(c);
      return;
    }
    if (accept('<')) return named_group('>');
    if (accept('\'')) return named_group('\'');
    flags();
  }

  void named_group(char32_t close) {
    std::string name;
    for (char32_t c = next(); c != close; c = next())
      append_utf8(name, c);
    out_ += cat("(?<", name, ">");
  }

  // (?imx-imx) or (?imx-imx:…); Ruby's m is PCRE2's s.
  void flags() {
    std::string text;
    bool is_on = true;
    bool extended = is_extended_;
    for (;;) {
      const char32_t c = next();
      if (c == 'i') {
        text += 'i';
      } else if (c == 'm') {
        text += 's';
      } else if (c == 'x') {
        extended = is_on;
      } else if (c == '-') {
        text += '-';
        is_on = false;
      } else if (c == ':' || c == ')') {
        if (extended != is_extended_) {
          if (c == ':') refuse("(?x:…)");
          is_extended_ = extended;
        }
        if (text == "-") text.clear();
        if (c == ')') {
          // Ruby: (?i) holds to the end of its group, over every alternative; so it does in PCRE2.
          groups_.pop_back();
          if (!text.empty()) out_ += cat("(?", text, ")");
        } else {
          out_ += cat("(?", text, ":");
        }
        return;
      } else if (c == '~') {
        refuse("the absence operator (?~…)");
      } else {
        std::string shown;
        append_utf8(shown, c);
        refuse(cat("(?", shown));
      }
    }
  }

  void escape() {
    if (const auto set = class_escape(false)) return atom(spelt(*set, false));
    const char32_t c = next();
    switch (c) {
      case 'b':
        return atom(boundary(false));
      case 'B':
        return atom(boundary(true));
      case 'A':
      case 'Z':
      case 'z':
      case 'K':
      case 'R':
      case 'N':
        return atom(cat("\\", static_cast<char>(c)));
      case 'O':
        return atom("(?s:.)");
      case 'k':
      case 'g':
        return reference(c);
      default:
        break;
    }
    if (c >= '1' && c <= '9') return atom(cat("\\", static_cast<char>(c)));
    --pos_;
    atom(quoted(character_escape()));
  }

  static std::string quoted(char32_t c) { return hex(c); }

  std::string boundary(bool is_negated) {
    const std::string word = spelt(onig_word_alone(), false);
    return is_negated ? cat("(?:(?<=", word, ")(?=", word, ")|(?<!", word, ")(?!", word, "))")
                      : cat("(?:(?<=", word, ")(?!", word, ")|(?<!", word, ")(?=", word, "))");
  }

  void reference(char32_t kind) {
    const char32_t open = next();
    if (open != '<' && open != '\'') refuse(cat("\\", static_cast<char>(kind), " without a name"));
    std::string name;
    for (char32_t c = next(); c != (open == '<' ? U'>' : U'\''); c = next())
      append_utf8(name, c);
    if (kind == 'g') refuse(cat("the subexpression call \\g<", name, ">"));
    atom(cat("\\k<", name, ">"));
  }

  // \d \s \w \h \p{…} and their opposites.
  std::optional<CodePointSet> class_escape(bool is_in_class) {
    const char32_t c = peek();
    CodePointSet set;
    switch (c) {
      case 'd':
      case 'D':
        set = union_of({"Nd"});
        break;
      case 's':
      case 'S':
        set = white_space();
        break;
      case 'w':
      case 'W':
        set = is_in_class ? onig_word() : onig_word_alone();
        break;
      case 'h':
      case 'H':
        set = *named_set("xdigit");
        break;
      case 'p':
      case 'P':
        return property();
      default:
        return std::nullopt;
    }
    ++pos_;
    return c >= 'a' ? set : set.complement();
  }

  CodePointSet property() {
    const bool is_negated = next() == 'P';
    if (!accept('{')) refuse("\\p without {…}");
    const bool is_inverted = accept('^');
    std::string name;
    for (char32_t c = next(); c != '}'; c = next())
      append_utf8(name, c);
    const auto set = named_set(name);
    if (!set) refuse(cat("the property \\p{", name, "}, which is not known here"));
    return is_negated != is_inverted ? set->complement() : *set;
  }

  // After the backslash: one character.
  char32_t character_escape() {
    const char32_t c = next();
    switch (c) {
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'a':
        return '\a';
      case 'e':
        return 0x1b;
      case 'x':
        if (accept('{')) {
          const char32_t value = number(16, 8);
          if (!accept('}')) refuse("\\x{ without }");
          return value;
        }
        return number(16, 2);
      case 'u':
        return number(16, 4, 4);
      case '0':
        return number(8, 2, 0);
      default:
        break;
    }
    if (is_alphanumeric(c)) {
      std::string shown;
      append_utf8(shown, c);
      refuse(cat("\\", shown));
    }
    return c;
  }

  char32_t number(int base, int most, int least = 1) {
    char32_t value = 0;
    int digits = 0;
    for (; digits < most; ++digits) {
      const char32_t c = peek();
      const int digit = c >= '0' && c <= '9'   ? static_cast<int>(c - '0')
                        : c >= 'a' && c <= 'f' ? static_cast<int>(c - 'a' + 10)
                        : c >= 'A' && c <= 'F' ? static_cast<int>(c - 'A' + 10)
                                               : 99;
      if (digit >= base) break;
      value = value * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
      ++pos_;
    }
    if (digits < least || value > kLastCodePoint || (value >= 0xd800 && value < 0xe000)) {
      refuse("an escaped number that is no character");
    }
    return value;
  }

  // From behind '[' to behind ']'.
  std::string class_text() {
    const bool is_negated = peek() == '^';
    if (is_negated) ++pos_;
    const CodePointSet set = class_body(0);
    return spelt(set, is_negated);
  }

  CodePointSet class_body(int depth) {
    if (depth > kMaxClassDepth) refuse(cat("classes deeper than ", kMaxClassDepth));
    std::vector<CodePointRange> ranges;
    std::optional<CodePointSet> intersection;
    bool is_first = true;
    const auto intersect = [&] {
      CodePointSet part{std::move(ranges)};
      ranges.clear();
      intersection = intersection ? intersection->intersection(part) : part;
    };
    for (;; is_first = false) {
      const char32_t c = next();
      if (c == ']' && !is_first) break;
      if (c == '&' && peek() == '&') {
        ++pos_;
        intersect();
        continue;
      }
      std::optional<CodePointSet> set;
      if (c == '[') {
        set = nested(depth);
      } else if (c == '\\') {
        set = class_escape(true);
      }
      if (set) {
        ranges.insert(ranges.end(), set->ranges().begin(), set->ranges().end());
        continue;
      }
      const char32_t first = c == '\\' ? class_character() : c;
      char32_t last = first;
      if (peek() == '-' && peek(1) != ']' && pos_ + 1 < in_.size()) {
        const size_t dash = pos_++;
        if (peek() == '[' || (peek() == '\\' && is_class_letter(peek(1)))) {
          pos_ = dash;  // a-\d: the dash stands for itself
          ranges.push_back({first, first});
          ranges.push_back({next(), '-'});
          continue;
        }
        last = accept('\\') ? class_character() : next();
        if (last < first) refuse("a range of characters that runs backwards");
      }
      ranges.push_back({first, last});
    }
    if (!intersection) return CodePointSet(std::move(ranges));
    intersect();
    return *intersection;
  }

  static bool is_class_letter(char32_t c) {
    return c == 'd' || c == 'D' || c == 's' || c == 'S' || c == 'w' || c == 'W' || c == 'h' || c == 'H' || c == 'p' ||
           c == 'P';
  }

  char32_t class_character() {
    if (accept('b')) return '\b';
    return character_escape();
  }

  CodePointSet nested(int depth) {
    if (peek() == ':') {
      const size_t end = in_.find(U":]", pos_ + 1);
      const size_t close = in_.find(U']', pos_);
      if (end != std::u32string::npos && end + 1 == close) {
        ++pos_;
        const bool is_negated = accept('^');
        std::string name;
        for (; pos_ < end; ++pos_)
          append_utf8(name, in_[pos_]);
        pos_ = end + 2;
        const auto set = named_set(name);
        if (!set) refuse(cat("[:", name, ":], which is not known here"));
        return is_negated ? set->complement() : *set;
      }
    }
    const bool is_negated = accept('^');
    CodePointSet set = class_body(depth + 1);
    return is_negated ? set.complement() : set;
  }

  // Large ranges first: the engine tries them in this order.
  static std::string spelt(const CodePointSet& set, bool is_negated) {
    if (set.empty()) return is_negated ? "(?s:.)" : "(?!)";
    if (set.ranges() == everything().ranges()) return is_negated ? "(?!)" : "(?s:.)";
    // The shorter spelling of the same set, unless case folding could tell them apart.
    const CodePointSet inverse = set.complement();
    const bool inverts = !is_negated && inverse.ranges().size() * 4 < set.ranges().size();
    std::vector<CodePointRange> ranges = inverts ? inverse.ranges() : set.ranges();
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
      const auto size_a = a.last - a.first;
      const auto size_b = b.last - b.first;
      return size_a != size_b ? size_a > size_b : a.first < b.first;
    });
    std::string text(is_negated != inverts ? "[^" : "[");
    for (auto [first, last] : ranges) {
      // PCRE2 refuses surrogates by name, and no text holds any.
      if (first >= 0xd800 && first < 0xe000) first = 0xe000;
      if (last >= 0xd800 && last < 0xe000) last = 0xd7ff;
      if (first > last) continue;
      text += hex(first);
      if (last != first) text.append(1, '-').append(hex(last));
    }
    if (text == "[") return "(?!)";
    return text == "[^" ? "(?s:.)" : text + "]";
  }

  std::u32string in_;
  size_t pos_ = 0;
  std::string out_;
  size_t atom_ = 0;  // where the last atom began, for what must be wrapped
  std::vector<size_t> groups_;
  bool is_extended_ = false;
};

}  // namespace

std::string translate_pattern(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace afina::text
