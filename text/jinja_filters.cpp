// SPDX-License-Identifier: Apache-2.0
// jinja2's filters on texts and numbers, and tojson as transformers defines it. Filters on lists:
// jinja_list_filters.cpp.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/cat.h"
#include "text/jinja_filters.h"

namespace afina::text::jinja {

namespace {

// soft_str: Markup stays Markup.
Value soft_text(const Value& value) {
  return value.is_text() ? value : Value::text(to_text(value));
}

// A filter that is str's method of the same name.
Value by_method(Interpreter& run, const Value& value, const char* name, const Arguments& a) {
  return run.call(*method(soft_text(value), name), a);
}
Value upper(Interpreter& run, const Value& v, const Arguments& a) {
  return by_method(run, v, "upper", a);
}
Value lower(Interpreter& run, const Value& v, const Arguments& a) {
  return by_method(run, v, "lower", a);
}
Value capitalize(Interpreter& run, const Value& v, const Arguments& a) {
  return by_method(run, v, "capitalize", a);
}
Value trim(Interpreter& run, const Value& v, const Arguments& a) {
  return by_method(run, v, "strip", a);
}

Value center(Interpreter& run, const Value& v, const Arguments& a) {
  const Parameters p("center", a, {"width"});
  return by_method(run, v, "center", {{p.or_else(0, Value(int64_t{80}))}, {}});
}

// Words begin after blanks, -, (, {, [ and <, whatever else they hold.
Value title(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("title", a, {});
  const PyText text = to_text(v);
  const auto separates = [](char32_t c) { return py_is_space(c) || PyText(U"-({[<").find(plain(c)) != PyText::npos; };
  PyText out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    while (end < text.size() && separates(text[end]) == separates(text[i]))
      ++end;
    out += py_upper(text.substr(i, 1)) + py_lower(text.substr(i + 1, end - i - 1));
    i = end;
  }
  return Value::text(std::move(out));
}

Value replace(Interpreter& run, const Value& v, const Arguments& a) {
  const Parameters p("replace", a, {"old", "new", "count"});
  const Value old = Value::text(to_text(p.at(0)));
  const Value with = Value::text(to_text(p.at(1)));
  const Value count = p.has(2) && !p.at(2).is_none() ? p.at(2) : Value(int64_t{-1});
  return run.call(*method(Value::text(to_text(v)), "replace"), {{old, with, count}, {}});
}

Value format(Interpreter&, const Value& v, const Arguments& a) {
  if (!a.values.empty() && !a.named.empty()) {
    throw TemplateError("can't handle positional and keyword arguments at the same time");
  }
  if (a.named.empty()) return format_percent(soft_text(v), Value::list(a.values, Flavor::tuple));
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [name, value] : a.named)
    items.emplace_back(Value::text(py_from_utf8(name)), value);
  return format_percent(soft_text(v), Value::dict(std::move(items)));
}

Value indent(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("indent", a, {"width", "first", "blank"});
  if (v.is_undefined()) raise_undefined(v);
  if (!v.is_text()) throw TemplateError(cat("unsupported operand type(s) for +=: '", type_name(v), "' and 'str'"));
  PyText margin(4, U' ');
  if (p.has(0)) {
    const int64_t width = p.at(0).is_text() ? 0 : need_int(p.at(0), "indent's width");
    if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(width));
    margin = p.at(0).is_text() ? p.at(0).as_text() : PyText(static_cast<size_t>(std::max<int64_t>(0, width)), U' ');
  }
  const std::vector<PyText> lines = py_splitlines(v.as_text() + PyText(1, U'\n'), false);
  PyText out = p.flag(1, false) ? margin : PyText();
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out += U'\n';
      if (p.flag(2, false) || !lines[i].empty()) out += margin;
    }
    out += lines[i];
    if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(out.size()));
  }
  return Value::text(std::move(out), v.is_markup());
}

Value truncate(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("truncate", a, {"length", "killwords", "end", "leeway"});
  const int64_t size = p.integer(0, 255);
  const PyText end = p.has(2) ? to_text(p.at(2)) : py_from_utf8("...");
  const PyText text = to_text(v);
  if (size < static_cast<int64_t>(end.size())) throw TemplateError(cat("expected length >= ", end.size()));
  if (static_cast<int64_t>(text.size()) <= size + p.integer(3, 5)) return v;
  PyText cut = text.substr(0, static_cast<size_t>(size) - end.size());
  if (!p.flag(1, false)) {
    const PyText space(1, U' ');
    cut = py_rsplit(cut, &space, 1)[0];
  }
  return Value::text(cut + end);
}

Value word_count(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("wordcount", a, {});
  int64_t words = 0;
  bool inside = false;
  for (const char32_t c : to_text(v)) {
    const bool word = py_is_alnum(c) || plain(c) == '_';
    words += word && !inside;
    inside = word;
  }
  return Value(words);
}

Value to_markup(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("safe", a, {});
  return Value::text(to_text(v), true);
}
Value escaped(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("escape", a, {});
  return escape(v);
}
Value force_escaped(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("forceescape", a, {});
  return escape(Value::text(to_text(v)));
}
Value text(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("string", a, {});
  return soft_text(v);
}

Value url_encode(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("urlencode", a, {});
  const auto quote = [](const Value& part, bool in_query) {
    std::string out;
    for (const char c : py_to_utf8(to_text(part))) {
      const bool plain_char = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                              std::string_view("_.-~").find(c) != std::string_view::npos;
      char hex[4];
      std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += plain_char || (c == '/' && !in_query) ? std::string(1, c) : c == ' ' && in_query ? "+" : hex;
    }
    return out;
  };
  if (!v.is_dict()) return Value::text(py_from_utf8(quote(v, false), true));
  std::string out;
  for (const auto& [key, value] : v.as_dict().items) {
    if (!out.empty()) out += "&";
    out += quote(key, true) + "=" + quote(value, true);
  }
  return Value::text(py_from_utf8(out, true));
}

Value absolute(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("abs", a, {});
  if (v.is_undefined()) raise_undefined(v);
  if (v.is_float()) return Value(std::fabs(v.as_double()));
  if (!v.is_integral()) throw TemplateError(cat("bad operand type for abs(): '", type_name(v), "'"));
  return v.as_int() < 0 ? operate("-", Value(int64_t{0}), v) : Value(v.as_int());
}

std::string number_text(const PyText& text) {
  std::string out;
  const PyText inner = py_strip(text, true, true);
  for (size_t i = 0; i < inner.size(); ++i) {
    const char32_t c = plain(inner[i]);
    const auto digit = [&](size_t at) {
      return at < inner.size() && plain(inner[at]) < 0x80 && std::isalnum(static_cast<int>(plain(inner[at]))) != 0;
    };
    if (c == '_' && i > 0 && digit(i - 1) && digit(i + 1)) continue;
    if (c >= 0x80) return "?";
    out += static_cast<char>(c);
  }
  return out;
}

std::optional<int64_t> text_to_int(const PyText& value, int64_t base) {
  std::string text = number_text(value);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.erase(0, 1);
  }
  const char mark = text.size() > 1 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int64_t named = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  if (named != 0 && (base == 0 || base == named)) {
    text.erase(0, 2);
    base = named;
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return std::nullopt;
  int64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out, static_cast<int>(base));
  if (read.ec == std::errc::result_out_of_range) throw TemplateError("integers must have 64 bits");
  if (text.empty() || text[0] == '-' || read.ec != std::errc() || read.ptr != text.data() + text.size())
    return std::nullopt;
  return negative ? -out : out;
}

std::optional<double> text_to_float(const PyText& value) {
  const std::string text = number_text(value);
  if (text.empty() || text.find_first_of("xXpP") != std::string::npos ||
      std::isspace(static_cast<unsigned char>(text[0])) != 0)
    return std::nullopt;
  char* end = nullptr;
  const double out = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size() || text.find('(') != std::string::npos) return std::nullopt;
  return out;
}

Value to_int(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("int", a, {"default", "base"});
  if (v.is_undefined()) raise_undefined(v);
  if (v.is_integral()) return Value(v.as_int());
  const Value other = p.or_else(0, Value(int64_t{0}));
  if (v.is_text()) {
    if (const auto whole = text_to_int(v.as_text(), p.integer(1, 10))) return Value(*whole);
  }
  const std::optional<double> real = v.is_float()  ? v.as_double()
                                     : v.is_text() ? text_to_float(v.as_text())
                                                   : std::nullopt;
  if (!real || std::isnan(*real) || std::isinf(*real)) {
    if (v.is_float() && std::isinf(*real)) throw TemplateError("cannot convert float infinity to integer");
    return other;
  }
  if (std::fabs(*real) >= 9.2e18) throw TemplateError("integers must have 64 bits");
  return Value(static_cast<int64_t>(*real));
}

Value to_float(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("float", a, {"default"});
  if (v.is_undefined()) raise_undefined(v);
  if (v.is_number()) return Value(v.as_double());
  const std::optional<double> real = v.is_text() ? text_to_float(v.as_text()) : std::nullopt;
  return real ? Value(*real) : p.or_else(0, Value(0.0));
}

Value rounded(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("round", a, {"precision", "method"});
  if (v.is_undefined()) raise_undefined(v);
  const int64_t precision = std::clamp<int64_t>(p.integer(0, 0), -400, 400);
  const std::string how = p.has(1) ? py_to_utf8(to_text(p.at(1))) : "common";
  if (how != "common" && how != "ceil" && how != "floor") throw TemplateError("method must be common, ceil or floor");
  if (!v.is_number()) throw TemplateError(cat("type ", type_name(v), " doesn't define __round__ method"));
  const double power = std::pow(10.0, static_cast<double>(precision));
  if (how != "common") {
    const double scaled = v.as_double() * power;
    return Value((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / power);
  }
  if (v.is_integral() && precision >= 0) return Value(v.as_int());
  if (precision < 0) {
    const double down = std::nearbyint(v.as_double() * power) / power;
    return v.is_integral() ? Value(static_cast<int64_t>(down)) : Value(down);
  }
  if (std::isnan(v.as_double()) || std::isinf(v.as_double())) return v;
  char buffer[1024];
  std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), v.as_double());
  return Value(std::strtod(buffer, nullptr));
}

Value file_size(Interpreter&, const Value& v, const Arguments& a) {
  const bool binary = Parameters("filesizeformat", a, {"binary"}).flag(0, false);
  const std::optional<double> bytes = v.is_number() ? v.as_double()
                                      : v.is_text() ? text_to_float(v.as_text())
                                                    : std::nullopt;
  if (!bytes) throw TemplateError("could not convert to float");
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return Value::ascii("1 Byte");
  if (*bytes < base) return Value::ascii(cat(static_cast<int64_t>(*bytes), " Bytes"));
  double unit = base * base;
  size_t prefix = 0;
  while (prefix < 7 && *bytes >= unit) {
    unit *= base;
    ++prefix;
  }
  char buffer[512];
  std::snprintf(buffer, sizeof buffer, "%.1f %c%s", base * *bytes / unit, (binary ? "KMGTPEZY" : "kMGTPEZY")[prefix],
                binary ? "iB" : "B");
  return Value::ascii(buffer);
}

Value default_value(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("default", a, {"default_value", "boolean"});
  if (v.is_undefined() || (p.flag(1, false) && !truthy(v))) return p.or_else(0, Value::ascii(""));
  return v;
}

Value tojson(Interpreter&, const Value& v, const Arguments& a) {
  const Parameters p("tojson", a, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = p.flag(0, false);
  style.sort_keys = p.flag(3, false);
  if (p.has(1) && !p.at(1).is_none()) {
    const int64_t width = p.at(1).is_text() ? 0 : std::max<int64_t>(0, need_int(p.at(1), "indent"));
    if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(width));
    style.indent = p.at(1).is_text() ? p.at(1).as_text() : PyText(static_cast<size_t>(width), U' ');
  }
  style.item_separator = style.indent ? U"," : U", ";
  style.key_separator = U": ";
  if (p.has(2) && !p.at(2).is_none()) {
    const std::vector<Value> pair = iterate(p.at(2));
    if (pair.size() != 2 || !pair[0].is_text() || !pair[1].is_text())
      throw TemplateError("separators must be two texts");
    style.item_separator = pair[0].as_text();
    style.key_separator = pair[1].as_text();
  }
  return Value::text(to_json(v, style));
}

}  // namespace

void add_text_filters(FilterTable& table) {
  table.insert({{"upper", upper},
                {"lower", lower},
                {"capitalize", capitalize},
                {"trim", trim},
                {"center", center},
                {"title", title},
                {"replace", replace},
                {"format", format},
                {"indent", indent},
                {"truncate", truncate},
                {"wordcount", word_count},
                {"safe", to_markup},
                {"escape", escaped},
                {"e", escaped},
                {"forceescape", force_escaped},
                {"string", text},
                {"urlencode", url_encode},
                {"abs", absolute},
                {"int", to_int},
                {"float", to_float},
                {"round", rounded},
                {"filesizeformat", file_size},
                {"default", default_value},
                {"d", default_value},
                {"tojson", tojson}});
}

}  // namespace afina::text::jinja
