// SPDX-License-Identifier: Apache-2.0
// Methods of str, dict, list and tuple that templates may call. What changes a value (append, update, pop, …) is
// withheld, as transformers' immutable sandbox withholds it.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/cat.h"
#include "text/jinja_run.h"

namespace afina::text::jinja {

namespace {

using Method = Value (*)(Interpreter&, const Value& self, const Arguments&);

const PyText& need_text(const Value& value, const char* what) {
  if (value.is_undefined()) raise_undefined(value);
  if (!value.is_text()) throw TemplateError(cat(what, " must be str, not ", type_name(value)));
  return value.as_text();
}

// Methods of Markup give Markup and escape what they are given.
Value like(const Value& self, PyText text) {
  return Value::text(std::move(text), self.is_markup());
}
PyText given(const Value& self, const Value& value, const char* what) {
  return self.is_markup() ? escape(value).as_text() : need_text(value, what);
}

template <PyText (*convert)(const PyText&)>
Value converted(Interpreter&, const Value& self, const Arguments& a) {
  Parameters("str method", a, {});
  work(self.as_text().size() / 8);
  return like(self, convert(self.as_text()));
}

template <bool left, bool right>
Value stripped(Interpreter&, const Value& self, const Arguments& a) {
  const Parameters p("strip", a, {"chars"});
  if (!p.has(0) || p.at(0).is_none()) return like(self, py_strip(self.as_text(), left, right));
  const PyText& chars = need_text(p.at(0), "strip arg");
  work(self.as_text().size() / 16 * (chars.size() / 16 + 1));
  return like(self, py_strip(self.as_text(), left, right, &chars));
}

Value texts(const Value& self, std::vector<PyText> parts, Flavor flavor = Flavor::list) {
  if (const Budget* budget = Budget::current()) budget->check_items(static_cast<double>(parts.size()));
  std::vector<Value> items;
  for (PyText& part : parts)
    items.push_back(like(self, std::move(part)));
  return Value::list(std::move(items), flavor);
}

template <bool from_right>
Value split(Interpreter&, const Value& self, const Arguments& a) {
  const Parameters p("split", a, {"sep", "maxsplit"});
  const PyText* separator = p.has(0) && !p.at(0).is_none() ? &need_text(p.at(0), "sep") : nullptr;
  if (separator != nullptr && separator->empty()) throw TemplateError("empty separator");
  work(self.as_text().size() / 4);
  const int64_t limit = p.integer(1, -1);
  return texts(self,
               from_right ? py_rsplit(self.as_text(), separator, limit) : py_split(self.as_text(), separator, limit));
}

template <bool from_right>
Value partition(Interpreter&, const Value& self, const Arguments& a) {
  const Value held = Parameters("partition", a, {"sep"}).at(0);
  const PyText& separator = need_text(held, "sep");
  if (separator.empty()) throw TemplateError("empty separator");
  const PyText& text = self.as_text();
  const size_t at = from_right ? py_rfind(text, separator) : py_find(text, separator);
  if (at == PyText::npos)
    return texts(self, from_right ? std::vector<PyText>{{}, {}, text} : std::vector<PyText>{text, {}, {}},
                 Flavor::tuple);
  return texts(self, {text.substr(0, at), separator, text.substr(at + separator.size())}, Flavor::tuple);
}

// The part of the text that start and end leave, and where it begins.
PyText window(const Value& self, const Parameters& p, size_t first, int64_t& start) {
  const auto size = static_cast<int64_t>(self.as_text().size());
  const auto place = [&](size_t i, int64_t other) {
    int64_t at = p.integer(i, other);
    if (at < 0) at = std::max<int64_t>(0, at + size);
    return at;
  };
  start = place(first, 0);
  const int64_t end = std::min(size, place(first + 1, size));
  if (start > size) return {};
  return end <= start ? PyText() : self.as_text().substr(static_cast<size_t>(start), static_cast<size_t>(end - start));
}

template <bool from_right, bool throws>
Value find(Interpreter&, const Value& self, const Arguments& a) {
  const Parameters p("find", a, {"sub", "start", "end"});
  int64_t start = 0;
  work(self.as_text().size() / 16);
  const PyText text = window(self, p, 1, start);
  const PyText& needle = need_text(p.at(0), "sub");
  const bool outside = start > static_cast<int64_t>(self.as_text().size());
  const size_t at = outside ? PyText::npos : from_right ? py_rfind(text, needle) : py_find(text, needle);
  if (at == PyText::npos && throws) throw TemplateError("substring not found");
  return Value(at == PyText::npos ? int64_t{-1} : start + static_cast<int64_t>(at));
}

Value count(Interpreter&, const Value& self, const Arguments& a) {
  const Parameters p("count", a, {"sub", "start", "end"});
  int64_t start = 0;
  work(self.as_text().size() / 16);
  return Value(static_cast<int64_t>(py_count(window(self, p, 1, start), need_text(p.at(0), "sub"))));
}

template <bool (*matches)(const PyText&, const PyText&)>
Value has_affix(Interpreter&, const Value& self, const Arguments& a) {
  const Parameters p("startswith", a, {"prefix", "start", "end"});
  int64_t start = 0;
  const PyText text = p.has(1) ? window(self, p, 1, start) : self.as_text();
  const Value affix = p.at(0);
  if (affix.is_flavor(Flavor::tuple)) {
    const auto& all = affix.as_list().items;
    return Value(
        std::any_of(all.begin(), all.end(), [&](const Value& one) { return matches(text, need_text(one, "affix")); }));
  }
  return Value(matches(text, need_text(affix, "startswith first arg")));
}

Value remove_prefix(Interpreter&, const Value& self, const Arguments& a) {
  const Value held = Parameters("removeprefix", a, {"prefix"}).at(0);
  const PyText& prefix = need_text(held, "removeprefix() argument");
  return like(self, py_starts_with(self.as_text(), prefix) ? self.as_text().substr(prefix.size()) : self.as_text());
}
Value remove_suffix(Interpreter&, const Value& self, const Arguments& a) {
  const Value held = Parameters("removesuffix", a, {"suffix"}).at(0);
  const PyText& suffix = need_text(held, "removesuffix() argument");
  const PyText& text = self.as_text();
  return like(self, py_ends_with(text, suffix) ? text.substr(0, text.size() - suffix.size()) : text);
}

Value replace(Interpreter&, const Value& self, const Arguments& a) {
  const Parameters p("replace", a, {"old", "new", "count"});
  const PyText old = given(self, p.at(0), "replace() argument 1");
  const PyText with = given(self, p.at(1), "replace() argument 2");
  const PyText& text = self.as_text();
  const int64_t limit = p.integer(2, -1);
  work(text.size() / 8);
  double matches = static_cast<double>(py_count(text, old));
  if (limit >= 0) matches = std::min(matches, static_cast<double>(limit));
  if (const Budget* budget = Budget::current()) {
    budget->check_characters(static_cast<double>(text.size()) + matches * static_cast<double>(with.size()));
  }
  return like(self, py_replace(text, old, with, limit));
}

Value join(Interpreter&, const Value& self, const Arguments& a) {
  const Value from = Parameters("join", a, {"iterable"}).at(0);
  PyText out;
  bool first = true;
  for (const Value& item : iterate(from)) {
    if (!first) out += self.as_text();
    first = false;
    out += given(self, item, "sequence item: expected str instance, which");
    if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(out.size()));
  }
  return like(self, std::move(out));
}

Value split_lines(Interpreter&, const Value& self, const Arguments& a) {
  return texts(self, py_splitlines(self.as_text(), Parameters("splitlines", a, {"keepends"}).flag(0, false)));
}

// align: -1 ljust, 0 center, 1 rjust
template <int align>
Value justified(Interpreter&, const Value& self, const Arguments& a) {
  const Parameters p("ljust", a, {"width", "fillchar"});
  const int64_t width = need_int(p.at(0), "width");
  const PyText fill = p.has(1) ? need_text(p.at(1), "fillchar") : PyText(1, U' ');
  if (fill.size() != 1) throw TemplateError("The fill character must be exactly one character long");
  if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(width));
  const auto size = static_cast<int64_t>(self.as_text().size());
  const int64_t pad = std::max<int64_t>(0, width - size);
  // CPython's str.center puts the odd one left where the width is odd.
  const int64_t left = align < 0 ? 0 : align > 0 ? pad : pad / 2 + (pad & width & 1);
  return like(self, PyText(static_cast<size_t>(left), fill[0]) + self.as_text() +
                        PyText(static_cast<size_t>(pad - left), fill[0]));
}

Value zfill(Interpreter&, const Value& self, const Arguments& a) {
  const int64_t width = need_int(Parameters("zfill", a, {"width"}).at(0), "width");
  if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(width));
  const PyText& text = self.as_text();
  const bool sign = !text.empty() && (plain(text[0]) == '+' || plain(text[0]) == '-');
  const int64_t pad = std::max<int64_t>(0, width - static_cast<int64_t>(text.size()));
  return like(self, text.substr(0, sign) + PyText(static_cast<size_t>(pad), U'0') + text.substr(sign));
}

Value expand_tabs(Interpreter&, const Value& self, const Arguments& a) {
  const int64_t size = Parameters("expandtabs", a, {"tabsize"}).integer(0, 8);
  PyText out;
  int64_t column = 0;
  for (const char32_t c : self.as_text()) {
    if (plain(c) == '\t') {
      const int64_t pad = size > 0 ? size - column % size : 0;
      if (const Budget* budget = Budget::current())
        budget->check_characters(static_cast<double>(pad) + static_cast<double>(out.size()));
      out.append(static_cast<size_t>(pad), U' ');
      column += pad;
    } else {
      out += c;
      column = plain(c) == '\n' || plain(c) == '\r' ? 0 : column + 1;
    }
  }
  return like(self, std::move(out));
}

template <bool (*holds)(char32_t)>
Value all_are(Interpreter&, const Value& self, const Arguments& a) {
  Parameters("str test", a, {});
  const PyText& text = self.as_text();
  return Value(!text.empty() && std::all_of(text.begin(), text.end(), holds));
}

template <bool lower>
Value is_case(Interpreter&, const Value& self, const Arguments&) {
  bool any = false;
  for (const char32_t c : self.as_text()) {
    if (lower ? py_is_upper(c) || py_is_title(c) : py_is_lower(c) || py_is_title(c)) return Value(false);
    any = any || (lower ? py_is_lower(c) : py_is_upper(c));
  }
  return Value(any);
}

Value is_title(Interpreter&, const Value& self, const Arguments&) {
  bool any = false;
  bool in_word = false;
  for (const char32_t c : self.as_text()) {
    const bool starts = py_is_upper(c) || py_is_title(c);
    if (starts && in_word) return Value(false);
    if (py_is_lower(c) && !in_word) return Value(false);
    in_word = starts || py_is_lower(c);
    any = any || in_word;
  }
  return Value(any);
}

bool is_ascii(char32_t c) {
  return plain(c) < 0x80;
}
Value all_ascii(Interpreter&, const Value& self, const Arguments&) {
  return Value(std::all_of(self.as_text().begin(), self.as_text().end(), is_ascii));
}
Value all_printable(Interpreter&, const Value& self, const Arguments&) {
  return Value(std::all_of(self.as_text().begin(), self.as_text().end(), py_is_printable));
}
Value is_identifier(Interpreter&, const Value& self, const Arguments&) {
  const PyText& text = self.as_text();
  const auto letter = [](char32_t c) { return py_is_alpha(c) || plain(c) == '_'; };
  return Value(!text.empty() && letter(text[0]) &&
               std::all_of(text.begin(), text.end(), [&](char32_t c) { return letter(c) || py_is_alnum(c); }));
}

Value format(Interpreter& run, const Value& self, const Arguments& a) {
  return format_braces(run, self, a);
}

const std::unordered_map<std::string, Method>& text_methods() {
  static const std::unordered_map<std::string, Method> methods = {
      {"upper", converted<py_upper>},
      {"lower", converted<py_lower>},
      {"casefold", converted<py_lower>},
      {"title", converted<py_title>},
      {"capitalize", converted<py_capitalize>},
      {"swapcase", converted<py_swapcase>},
      {"strip", stripped<true, true>},
      {"lstrip", stripped<true, false>},
      {"rstrip", stripped<false, true>},
      {"split", split<false>},
      {"rsplit", split<true>},
      {"partition", partition<false>},
      {"rpartition", partition<true>},
      {"splitlines", split_lines},
      {"find", find<false, false>},
      {"rfind", find<true, false>},
      {"index", find<false, true>},
      {"rindex", find<true, true>},
      {"count", count},
      {"startswith", has_affix<py_starts_with>},
      {"endswith", has_affix<py_ends_with>},
      {"removeprefix", remove_prefix},
      {"removesuffix", remove_suffix},
      {"replace", replace},
      {"join", join},
      {"format", format},
      {"ljust", justified<-1>},
      {"center", justified<0>},
      {"rjust", justified<1>},
      {"zfill", zfill},
      {"expandtabs", expand_tabs},
      {"isalpha", all_are<py_is_alpha>},
      {"isalnum", all_are<py_is_alnum>},
      {"isdigit", all_are<py_is_digit>},
      {"isdecimal", all_are<py_is_decimal>},
      {"isnumeric", all_are<py_is_digit>},
      {"isspace", all_are<py_is_space>},
      {"islower", is_case<true>},
      {"isupper", is_case<false>},
      {"istitle", is_title},
      {"isascii", all_ascii},
      {"isprintable", all_printable},
      {"isidentifier", is_identifier},
  };
  return methods;
}

Value dict_items(Interpreter&, const Value& self, const Arguments& a) {
  Parameters("items", a, {});
  std::vector<Value> items;
  for (const auto& [key, value] : self.as_dict().items)
    items.push_back(Value::list({key, value}, Flavor::tuple));
  return Value::list(std::move(items), Flavor::items);
}
Value dict_keys(Interpreter&, const Value& self, const Arguments& a) {
  Parameters("keys", a, {});
  return Value::list(iterate(self), Flavor::keys);
}
Value dict_values(Interpreter&, const Value& self, const Arguments& a) {
  Parameters("values", a, {});
  std::vector<Value> items;
  for (const auto& [key, value] : self.as_dict().items)
    items.push_back(value);
  return Value::list(std::move(items), Flavor::values);
}
Value dict_get(Interpreter&, const Value& self, const Arguments& a) {
  if (!a.named.empty()) throw TemplateError("dict.get() takes no keyword arguments");
  const Parameters p("get", a, {"key", "default"});
  if (p.at(0).is_dict() || p.at(0).is_flavor(Flavor::list)) throw TemplateError("unhashable type");
  const Value* found = self.as_dict().find(p.at(0));
  return found != nullptr ? *found : p.or_else(1, Value());
}
Value same(Interpreter&, const Value& self, const Arguments& a) {
  Parameters("copy", a, {});
  return self;
}
Value list_index(Interpreter&, const Value& self, const Arguments& a) {
  const Value x = Parameters("index", a, {"value"}).at(0);
  const auto& items = self.as_list().items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (equal(items[i], x)) return Value(static_cast<int64_t>(i));
  }
  throw TemplateError("value is not in list");
}
Value list_count(Interpreter&, const Value& self, const Arguments& a) {
  const Value x = Parameters("count", a, {"value"}).at(0);
  const auto& items = self.as_list().items;
  return Value(
      static_cast<int64_t>(std::count_if(items.begin(), items.end(), [&](const Value& v) { return equal(v, x); })));
}

const std::unordered_map<std::string, Method>& dict_methods() {
  static const std::unordered_map<std::string, Method> methods = {
      {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"get", dict_get}, {"copy", same}};
  return methods;
}
const std::unordered_map<std::string, Method>& list_methods() {
  static const std::unordered_map<std::string, Method> methods = {
      {"index", list_index}, {"count", list_count}, {"copy", same}};
  return methods;
}

// The sandbox gives these as something undefined whose use raises, even where a dict has such a key.
bool is_withheld(const Value& object, const std::string& name) {
  static const std::unordered_set<std::string> of_list = {"append", "clear", "pop",    "reverse",
                                                          "insert", "sort",  "extend", "remove"};
  static const std::unordered_set<std::string> of_dict = {"clear", "pop", "popitem", "setdefault", "update"};
  return object.is_dict() ? of_dict.contains(name) : object.is_flavor(Flavor::list) && of_list.contains(name);
}

}  // namespace

std::optional<Value> method(const Value& object, const std::string& name) {
  if (is_withheld(object, name)) {
    return Value::undefined(cat("access to attribute '", name, "' of '", type_name(object), "' object is unsafe."));
  }
  const std::unordered_map<std::string, Method>* methods = nullptr;
  if (object.is_text()) {
    methods = &text_methods();
  } else if (object.is_dict()) {
    methods = &dict_methods();
  } else if (object.is_list() && object.as_list().flavor <= Flavor::range) {
    methods = &list_methods();
  }
  if (methods == nullptr) return std::nullopt;
  const auto found = methods->find(name);
  if (found == methods->end()) return std::nullopt;
  const Method body = found->second;
  const auto bound = std::make_shared<Function>(
      name, [body, object](Interpreter& run, const Arguments& arguments) { return body(run, object, arguments); });
  bound->holds(object);
  return Value(std::static_pointer_cast<Object>(bound));
}

}  // namespace afina::text::jinja
