// SPDX-License-Identifier: Apache-2.0
// Values as text: str(), repr() and json.dumps().
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/cat.h"
#include "text/jinja_value.h"

namespace afina::text::jinja {

namespace {

void append(PyText& out, std::string_view ascii) {
  out.append(ascii.begin(), ascii.end());
}

// Text that grows; checked as it does, so that a value cannot print without bound.
class Writer {
 public:
  void put(std::string_view ascii) { append(out_, ascii); }
  void put(const PyText& text) {
    out_ += text;
    check();
  }
  void check() {
    Budget* budget = Budget::current();
    if (budget == nullptr) return;
    budget->step();
    budget->check_characters(static_cast<double>(out_.size()));
  }
  PyText take() { return std::move(out_); }

 protected:
  PyText out_;
};

class Repr : public Writer {
 public:
  void value(const Value& v) {
    check();
    if (v.is_text()) {
      work(v.as_text().size() / 4);
      if (v.is_markup()) put("Markup(");
      put(py_repr(v.as_text()));
      if (v.is_markup()) put(")");
    } else if (v.is_dict()) {
      dict(v.as_dict().items);
    } else if (v.is_list()) {
      list(v.as_list());
    } else if (v.is_undefined()) {
      put("Undefined");
    } else if (v.is_object()) {
      object(v);
    } else {
      put(to_text(v));
    }
  }

 private:
  void dict(const std::vector<std::pair<Value, Value>>& items) {
    put("{");
    bool first = true;
    for (const auto& [key, item] : items) {
      if (!first) put(", ");
      first = false;
      value(key);
      put(": ");
      value(item);
    }
    put("}");
  }

  void items(const ListBody& list, std::string_view open, std::string_view close) {
    put(open);
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) put(", ");
      value(list.items[i]);
    }
    put(close);
  }

  void list(const ListBody& list) {
    switch (list.flavor) {
      case Flavor::list:
        return items(list, "[", "]");
      case Flavor::tuple:
      case Flavor::group:
        return items(list, "(", list.items.size() == 1 ? ",)" : ")");
      case Flavor::keys:
        return items(list, "dict_keys([", "])");
      case Flavor::values:
        return items(list, "dict_values([", "])");
      case Flavor::items:
        return items(list, "dict_items([", "])");
      case Flavor::iterator:
        return put("<generator object>");
      case Flavor::range:
        break;
    }
    const auto& n = list.items;
    const int64_t start = n.empty() ? 0 : n.front().as_int();
    const int64_t step = n.size() > 1 ? n[1].as_int() - start : 1;
    put(cat("range(", start, ", ", start + step * static_cast<int64_t>(n.size()), step != 1 ? cat(", ", step) : "",
            ")"));
  }

  void object(const Value& v) {
    const auto* names = dynamic_cast<const Namespace*>(v.as_object().get());
    if (names == nullptr) return put(cat("<", v.as_object()->type_name(), ">"));
    put("<Namespace {");
    for (size_t i = 0; i < names->values.size(); ++i) {
      if (i > 0) put(", ");
      put(py_repr(py_from_utf8(names->values[i].first)));
      put(": ");
      value(names->values[i].second);
    }
    put("}>");
  }
};

class JsonWriter : public Writer {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  void value(const Value& v, size_t level) {
    check();
    if (v.is_none()) {
      put("null");
    } else if (v.is_bool()) {
      put(v.as_bool() ? "true" : "false");
    } else if (v.is_int()) {
      put(std::to_string(v.as_int()));
    } else if (v.is_float()) {
      put(number(v.as_double()));
    } else if (v.is_text()) {
      text(v.as_text());
    } else if (v.is_dict()) {
      dict(v.as_dict(), level);
    } else if (v.is_flavor(Flavor::list) || v.is_flavor(Flavor::tuple) || v.is_flavor(Flavor::group)) {
      list(v.as_list(), level);
    } else {
      throw TemplateError(cat("Object of type ", type_name(v), " is not JSON serializable"));
    }
  }

 private:
  static std::string number(double v) {
    if (std::isnan(v)) return "NaN";
    if (std::isinf(v)) return v < 0 ? "-Infinity" : "Infinity";
    return py_float(v);
  }

  void text(const PyText& value) {
    work(value.size() / 8);
    out_ += U'"';
    for (const char32_t marked : value)
      character(marked);
    out_ += U'"';
    check();
  }

  void character(char32_t marked) {
    const char32_t c = plain(marked);
    const char32_t marks = marked & ~kCodePointMask;
    const auto escape = [&](std::string_view ascii) {
      for (const char a : ascii)
        out_ += static_cast<char32_t>(a) | marks;
    };
    static constexpr std::string_view kShort = "\"\\\n\r\t\f\b";
    static constexpr std::string_view kLetters = "\"\\nrtfb";
    const size_t known = c < 0x80 ? kShort.find(static_cast<char>(c)) : std::string_view::npos;
    char buffer[16];
    if (known != std::string_view::npos && c != 0) {
      escape("\\");
      escape(kLetters.substr(known, 1));
    } else if (c < 0x20 || (style_.ensure_ascii && c > 0x7e && c < 0x10000)) {
      std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(c));
      escape(buffer);
    } else if (style_.ensure_ascii && c > 0x7e) {
      const unsigned rest = static_cast<unsigned>(c) - 0x10000;
      std::snprintf(buffer, sizeof buffer, "\\u%04x\\u%04x", 0xd800 | (rest >> 10), 0xdc00 | (rest & 0x3ff));
      escape(buffer);
    } else {
      out_ += marked;
    }
  }

  void line(size_t level) {
    if (!style_.indent) return;
    out_ += U'\n';
    for (size_t i = 0; i < level; ++i)
      out_ += *style_.indent;
    check();
  }

  void list(const ListBody& list, size_t level) {
    if (list.items.empty()) return put("[]");
    put("[");
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) put(style_.item_separator);
      line(level + 1);
      value(list.items[i], level + 1);
    }
    line(level);
    put("]");
  }

  static Value key_text(const Value& key) {
    if (key.is_text()) return key;
    if (key.is_none()) return Value::ascii("null");
    if (key.is_bool()) return Value::ascii(key.as_bool() ? "true" : "false");
    if (key.is_int()) return Value::ascii(std::to_string(key.as_int()));
    if (key.is_float()) return Value::ascii(number(key.as_double()));
    throw TemplateError(cat("keys must be str, int, float, bool or None, not ", type_name(key)));
  }

  void dict(const DictBody& dict, size_t level) {
    if (dict.items.empty()) return put("{}");
    std::vector<const std::pair<Value, Value>*> items;
    for (const auto& item : dict.items)
      items.push_back(&item);
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(), [](auto* a, auto* b) { return compare(a->first, b->first) < 0; });
    }
    put("{");
    bool first = true;
    for (const auto* item : items) {
      if (!first) put(style_.item_separator);
      first = false;
      line(level + 1);
      text(key_text(item->first).as_text());
      put(style_.key_separator);
      value(item->second, level + 1);
    }
    line(level);
    put("}");
  }

  const JsonStyle& style_;
};

}  // namespace

PyText to_text(const Value& value) {
  if (value.is_text()) return value.as_text();
  PyText out;
  if (value.is_undefined()) return out;
  if (value.is_none()) {
    append(out, "None");
  } else if (value.is_bool()) {
    append(out, value.as_bool() ? "True" : "False");
  } else if (value.is_int()) {
    append(out, std::to_string(value.as_int()));
  } else if (value.is_float()) {
    append(out, py_float(value.as_double()));
  } else {
    return to_repr(value);
  }
  return out;
}

PyText to_repr(const Value& value) {
  Repr repr;
  repr.value(value);
  return repr.take();
}

PyText to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  writer.value(value, 0);
  return writer.take();
}

}  // namespace afina::text::jinja
