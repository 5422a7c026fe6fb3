// SPDX-License-Identifier: Apache-2.0
// Python's two ways to format: text % values, and text.format(…) with its format specifications.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/cat.h"
#include "text/jinja_run.h"

namespace afina::text::jinja {

namespace {

struct Spec {
  char32_t fill = U' ';
  char align = 0;  ///< < > = ^, 0: by type
  char sign = '-';
  bool alternate = false;
  int64_t width = 0;
  char group = 0;
  std::optional<int64_t> precision;
  char type = 0;
};

PyText from_ascii(std::string_view ascii) {
  return PyText(ascii.begin(), ascii.end());
}

void check_width(int64_t width) {
  if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(width));
}

std::string based(uint64_t value, unsigned base, bool upper) {
  std::string digits;
  do {
    digits += (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
    value /= base;
  } while (value != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string real_digits(double magnitude, char type, std::optional<int64_t> precision, bool alternate) {
  if (std::isinf(magnitude)) return std::isupper(static_cast<unsigned char>(type)) != 0 ? "INF" : "inf";
  if (std::isnan(magnitude)) return std::isupper(static_cast<unsigned char>(type)) != 0 ? "NAN" : "nan";
  if (type == 0 && !precision) return py_float(magnitude);
  const int places = static_cast<int>(std::min<int64_t>(precision.value_or(6), 400));
  const std::string pattern = cat("%", alternate ? "#" : "", ".*",
                                  type == 0 || type == 'n' ? 'g'
                                  : type == '%'            ? 'f'
                                                           : type);
  char buffer[1024];
  std::snprintf(buffer, sizeof buffer, pattern.c_str(), places, type == '%' ? magnitude * 100 : magnitude);
  std::string digits = buffer;
  if (type == '%') digits += '%';
  if (type == 0 && digits.find_first_of(".e") == std::string::npos) digits += ".0";
  return digits;
}

std::string grouped(const std::string& digits, char separator) {
  size_t whole = digits.find_first_not_of("0123456789");
  if (whole == std::string::npos) whole = digits.size();
  std::string out;
  for (size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(whole);
}

PyText aligned(const PyText& sign, const PyText& body, const Spec& spec, char default_align) {
  check_width(spec.width);
  const int64_t size = static_cast<int64_t>(sign.size() + body.size());
  const size_t pad = spec.width > size ? static_cast<size_t>(spec.width - size) : 0;
  const char align = spec.align != 0 ? spec.align : default_align;
  const PyText fill(pad, spec.fill);
  if (align == '<') return sign + body + fill;
  if (align == '=') return sign + fill + body;
  if (align == '^') return PyText(pad / 2, spec.fill) + sign + body + PyText(pad - pad / 2, spec.fill);
  return fill + sign + body;
}

PyText format_number(const Value& value, const Spec& spec) {
  const bool negative = value.is_float() ? std::signbit(value.as_double()) : value.as_int() < 0;
  std::string sign = negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
  std::string digits;
  const bool as_real = value.is_float() || std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  if (as_real && !(spec.type == 0 && !value.is_float())) {
    digits = real_digits(std::fabs(value.as_double()), spec.type, spec.precision, spec.alternate);
  } else {
    const int64_t n = value.as_int();
    const uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
    const unsigned base = spec.type == 'x' || spec.type == 'X' ? 16 : spec.type == 'o' ? 8 : spec.type == 'b' ? 2 : 10;
    digits = based(magnitude, base, spec.type == 'X');
    if (spec.alternate && base != 10) sign += cat("0", spec.type);
  }
  if (spec.group != 0) digits = grouped(digits, spec.group);
  return aligned(from_ascii(sign), from_ascii(digits), spec, '>');
}

PyText cut(const PyText& text, const Spec& spec) {
  return spec.precision ? text.substr(0, static_cast<size_t>(*spec.precision)) : text;
}

int64_t read_number(const PyText& text, size_t& at) {
  int64_t number = 0;
  while (at < text.size() && plain(text[at]) >= '0' && plain(text[at]) <= '9') {
    number = std::min<int64_t>(number * 10 + static_cast<int64_t>(plain(text[at++]) - '0'), int64_t{1} << 40);
  }
  return number;
}

// [[fill]align][sign][#][0][width][,_][.precision][type]
Spec parse_spec(const PyText& text) {
  Spec spec;
  const auto is_align = [&](size_t at) {
    return at < text.size() && PyText(U"<>=^").find(plain(text[at])) != PyText::npos;
  };
  const auto is = [&](size_t at, char32_t c) { return at < text.size() && plain(text[at]) == c; };
  size_t at = 0;
  if (is_align(1)) {
    spec.fill = text[0];
    spec.align = static_cast<char>(plain(text[1]));
    at = 2;
  } else if (is_align(0)) {
    spec.align = static_cast<char>(plain(text[0]));
    at = 1;
  }
  if (is(at, '+') || is(at, '-') || is(at, ' ')) spec.sign = static_cast<char>(plain(text[at++]));
  if (is(at, '#')) {
    spec.alternate = true;
    ++at;
  }
  if (is(at, '0')) {
    if (spec.align == 0) {
      spec.fill = U'0';
      spec.align = '=';
    }
    ++at;
  }
  spec.width = read_number(text, at);
  if (is(at, ',') || is(at, '_')) spec.group = static_cast<char>(plain(text[at++]));
  if (is(at, '.')) {
    const size_t begin = ++at;
    spec.precision = read_number(text, at);
    if (at == begin) throw TemplateError("Format specifier missing precision");
  }
  if (at < text.size()) spec.type = plain(text[at]) < 0x80 ? static_cast<char>(plain(text[at])) : '?', ++at;
  if (at < text.size()) throw TemplateError("Invalid format specifier");
  return spec;
}

PyText format_value(const Value& value, const PyText& spec_text) {
  if (spec_text.empty()) return to_text(value);
  const Spec spec = parse_spec(spec_text);
  if (value.is_text()) {
    if ((spec.type != 0 && spec.type != 's') || spec.align == '=') {
      throw TemplateError(cat("Unknown format code '", spec.type, "' for object of type 'str'"));
    }
    return aligned({}, cut(value.as_text(), spec), spec, '<');
  }
  const std::string allowed = value.is_float() ? "eEfFgGn%" : "bcdeEfFgGnoxX%";
  if (!value.is_number() || (spec.type != 0 && allowed.find(spec.type) == std::string::npos)) {
    throw TemplateError(cat("unsupported format string passed to ", type_name(value), ".__format__"));
  }
  if (value.is_bool() && spec.type == 0 && !spec.precision) return format_number(Value(value.as_int()), spec);
  return format_number(value, spec);
}

class PercentFormat {
 public:
  PercentFormat(const PyText& format, const Value& values, bool markup)
      : format_(format), values_(values), markup_(markup) {
    is_tuple_ = values.is_flavor(Flavor::tuple) || values.is_flavor(Flavor::group);
  }

  PyText run() {
    while (at_ < format_.size()) {
      if (plain(format_[at_]) != '%') {
        out_ += format_[at_++];
        continue;
      }
      ++at_;
      conversion();
      if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(out_.size()));
    }
    const size_t given = is_tuple_ ? values_.as_list().items.size() : 1;
    if (used_ < given && !named_ && !values_.is_dict() && (is_tuple_ || !values_.is_list())) {
      throw TemplateError("not all arguments converted during string formatting");
    }
    return std::move(out_);
  }

 private:
  bool is(char32_t c) const { return at_ < format_.size() && plain(format_[at_]) == c; }

  Value next() {
    if (is_tuple_) {
      if (used_ >= values_.as_list().items.size()) throw TemplateError("not enough arguments for format string");
      return values_.as_list().items[used_++];
    }
    if (used_++ > 0) throw TemplateError("not enough arguments for format string");
    return values_;
  }

  Value named() {
    size_t depth = 1;
    const size_t begin = ++at_;
    for (; at_ < format_.size(); ++at_) {
      if (plain(format_[at_]) == '(') ++depth;
      if (plain(format_[at_]) == ')' && --depth == 0) break;
    }
    if (at_ >= format_.size()) throw TemplateError("incomplete format key");
    const Value key = Value::text(format_.substr(begin, at_++ - begin));
    if (!values_.is_dict()) throw TemplateError("format requires a mapping");
    const Value* value = values_.as_dict().find(key);
    if (value == nullptr) throw TemplateError(cat("KeyError: '", py_to_utf8(key.as_text()), "'"));
    named_ = true;
    return *value;
  }

  int64_t width() {
    if (!is('*')) return read_number(format_, at_);
    ++at_;
    return need_int(next(), "* ");
  }

  void conversion() {
    std::optional<Value> value;
    if (is('(')) value = named();
    Spec spec;
    bool zero = false;
    for (;; ++at_) {
      if (is('-')) {
        spec.align = '<';
      } else if (is('+')) {
        spec.sign = '+';
      } else if (is(' ')) {
        if (spec.sign != '+') spec.sign = ' ';
      } else if (is('#')) {
        spec.alternate = true;
      } else if (is('0')) {
        zero = true;
      } else {
        break;
      }
    }
    spec.width = width();
    if (spec.width < 0) {
      spec.align = '<';
      spec.width = -spec.width;
    }
    if (is('.')) {
      ++at_;
      spec.precision = std::max<int64_t>(0, width());
    }
    while (is('l') || is('h') || is('L'))
      ++at_;
    if (at_ >= format_.size()) throw TemplateError("incomplete format");
    spec.type = plain(format_[at_]) < 0x80 ? static_cast<char>(plain(format_[at_])) : '?';
    ++at_;
    if (spec.type == '%') {
      out_ += U'%';
      return;
    }
    if (!value) value = next();
    if (zero && spec.align == 0) {
      spec.align = '=';
      spec.fill = U'0';
    }
    out_ += converted(*value, spec);
  }

  PyText converted(const Value& value, Spec spec) const {
    if (spec.type == 's' || spec.type == 'r' || spec.type == 'a') {
      if (spec.align == '=') spec.align = 0;
      spec.fill = U' ';
      const Value shown = markup_ && spec.type == 's' ? escape(value) : value;
      return aligned({}, cut(spec.type == 's' ? to_text(shown) : to_repr(shown), spec), spec, '>');
    }
    if (spec.type == 'c') {
      if (value.is_text() && value.as_text().size() == 1) return aligned({}, value.as_text(), spec, '>');
      return aligned({}, PyText(1, static_cast<char32_t>(need_int(value, "%c requires int or char; arguments"))), spec,
                     '>');
    }
    if (std::string_view("diuxXofFeEgG").find(spec.type) == std::string_view::npos) {
      throw TemplateError(cat("unsupported format character '", spec.type, "'"));
    }
    if (value.is_undefined()) raise_undefined(value);
    if (!value.is_number()) {
      throw TemplateError(cat("%", spec.type, " format: a real number is required, not ", type_name(value)));
    }
    if (std::string_view("fFeEgG").find(spec.type) != std::string_view::npos) return format_number(value, spec);
    if (value.is_float() && std::string_view("diu").find(spec.type) == std::string_view::npos) {
      throw TemplateError(cat("%", spec.type, " format: an integer is required, not float"));
    }
    const Value whole(value.is_float() ? static_cast<int64_t>(value.as_double()) : value.as_int());
    if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
    spec.precision.reset();
    return format_number(whole, spec);
  }

  const PyText& format_;
  const Value& values_;
  bool markup_;
  bool is_tuple_ = false;
  bool named_ = false;
  size_t at_ = 0;
  size_t used_ = 0;
  PyText out_;
};

class BraceFormat {
 public:
  BraceFormat(Interpreter& run, const Arguments& arguments, bool markup)
      : run_(run), arguments_(arguments), markup_(markup) {}

  PyText format(const PyText& text, int depth) {
    if (depth > 2) throw TemplateError("Max string recursion exceeded");
    PyText out;
    for (size_t i = 0; i < text.size(); ++i) {
      const char32_t c = plain(text[i]);
      const bool doubled = i + 1 < text.size() && plain(text[i + 1]) == c;
      if (c != '{' && c != '}') {
        out += text[i];
      } else if (doubled) {
        out += text[i++];
      } else if (c == '}') {
        throw TemplateError("Single '}' encountered in format string");
      } else {
        out += field(text, i, depth);
        if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(out.size()));
      }
    }
    return out;
  }

 private:
  PyText field(const PyText& text, size_t& i, int depth) {
    int open = 1;
    const size_t begin = ++i;
    for (; i < text.size(); ++i) {
      if (plain(text[i]) == '{') ++open;
      if (plain(text[i]) == '}' && --open == 0) break;
    }
    if (open != 0) throw TemplateError("expected '}' before end of string");
    const PyText inner = text.substr(begin, i - begin);
    size_t end = 0;
    bool in_brackets = false;
    while (end < inner.size() && (in_brackets || (plain(inner[end]) != ':' && plain(inner[end]) != '!'))) {
      if (plain(inner[end]) == '[') in_brackets = true;
      if (plain(inner[end]) == ']') in_brackets = false;
      ++end;
    }
    Value value = lookup(inner.substr(0, end));
    if (end < inner.size() && plain(inner[end]) == '!') {
      if (end + 1 >= inner.size()) throw TemplateError("end of string while looking for conversion specifier");
      const char32_t conversion = plain(inner[end + 1]);
      value = Value::text(conversion == 'r' || conversion == 'a' ? to_repr(value) : to_text(value));
      end += 2;
    }
    const PyText spec = end < inner.size() ? format(inner.substr(end + 1), depth + 1) : PyText();
    PyText shown = format_value(value, spec);
    return markup_ && !value.is_markup() ? escape(Value::text(shown)).as_text() : shown;
  }

  Value lookup(const PyText& path) {
    size_t end = 0;
    while (end < path.size() && plain(path[end]) != '.' && plain(path[end]) != '[')
      ++end;
    if (end == 0 && !path.empty()) throw TemplateError("KeyError: ''");
    Value value = first(py_to_utf8(path.substr(0, end)));
    while (end < path.size()) {
      const bool dot = plain(path[end]) == '.';
      const size_t begin = ++end;
      while (end < path.size() && (dot ? plain(path[end]) != '.' && plain(path[end]) != '[' : plain(path[end]) != ']'))
        ++end;
      const PyText name = path.substr(begin, end - begin);
      if (!dot) ++end;
      const bool digits = !name.empty() && std::all_of(name.begin(), name.end(), py_is_decimal);
      size_t unused = 0;
      value = dot      ? run_.attribute(value, py_to_utf8(name))
              : digits ? run_.item(value, Value(read_number(name, unused)))
                       : run_.item(value, Value::text(name));
    }
    return value;
  }

  Value first(const std::string& name) {
    const bool digits = name.find_first_not_of("0123456789") == std::string::npos && name.size() < 10;
    if (digits) {
      const size_t at = name.empty() ? next_++ : static_cast<size_t>(std::stoul(name));
      if (at >= arguments_.values.size()) {
        throw TemplateError(cat("Replacement index ", at, " out of range for positional args tuple"));
      }
      return arguments_.values[at];
    }
    for (const auto& [known, value] : arguments_.named) {
      if (known == name) return value;
    }
    throw TemplateError(cat("KeyError: '", name, "'"));
  }

  Interpreter& run_;
  const Arguments& arguments_;
  bool markup_;
  size_t next_ = 0;
};

}  // namespace

Value format_percent(const Value& format, const Value& values) {
  const bool markup = format.is_markup();
  return Value::text(PercentFormat(format.as_text(), values, markup).run(), markup);
}

Value format_braces(Interpreter& run, const Value& format, const Arguments& arguments) {
  const bool markup = format.is_markup();
  return Value::text(BraceFormat(run, arguments, markup).format(format.as_text(), 0), markup);
}

}  // namespace afina::text::jinja
