// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_value.h"

#include <algorithm>
#include <cmath>

#include "base/cat.h"
#include "base/utf8.h"

namespace afina::text::jinja {

namespace {

constexpr int kMaxDepth = 400;
constexpr size_t kIndexedKeys = 8;

int depth_of(const std::vector<Value>& items) {
  int depth = 0;
  for (const Value& item : items)
    depth = std::max(depth, item.depth());
  return depth + 1;
}

void check_depth(int depth) {
  if (depth > kMaxDepth) throw LimitError(cat("values at most ", kMaxDepth, " levels deep"));
}

}  // namespace

TextBody::TextBody(PyText t, bool markup)
    : text(std::move(t)), is_markup(markup), charge(text.size() * sizeof(char32_t) + 128) {}

ListBody::ListBody(std::vector<Value> i, Flavor f)
    : items(std::move(i)), flavor(f), depth(depth_of(items)), charge(items.size() * 32 + 128) {
  check_depth(depth);
}

DictBody::DictBody(std::vector<std::pair<Value, Value>> from) : charge(from.size() * (2 * sizeof(Value) + 64) + 64) {
  for (auto& [key, value] : from) {
    if (key.is_list() || key.is_dict()) {
      if (!key.is_flavor(Flavor::tuple)) throw TemplateError(cat("unhashable type: '", type_name(key), "'"));
    }
    depth = std::max({depth, key.depth() + 1, value.depth() + 1});
    if (const Value* known = find(key)) {
      const_cast<Value&>(*known) = std::move(value);
      continue;
    }
    if (key.is_text()) texts_.emplace(py_to_utf8(key.as_text()), items.size());
    items.emplace_back(std::move(key), std::move(value));
  }
  check_depth(depth);
}

const Value* DictBody::find(const Value& key) const {
  if (key.is_text() && items.size() > kIndexedKeys) {
    const auto found = texts_.find(py_to_utf8(key.as_text()));
    return found == texts_.end() ? nullptr : &items[found->second].second;
  }
  work(items.size());
  for (const auto& [known, value] : items) {
    if (equal(known, key)) return &value;
  }
  return nullptr;
}

const Value* DictBody::find(std::string_view ascii) const {
  if (items.size() > kIndexedKeys) {
    const auto found = texts_.find(std::string(ascii));
    return found == texts_.end() ? nullptr : &items[found->second].second;
  }
  for (const auto& [known, value] : items) {
    if (known.is_text() && py_equal(known.as_text(), ascii)) return &value;
  }
  return nullptr;
}

void Object::holds(const Value& value) {
  held_depth_ = std::max(held_depth_, value.depth() + 1);
  check_depth(held_depth_);
}

std::optional<Value> Namespace::attribute(const std::string& name) {
  work(values.size() / 4);
  for (const auto& [known, value] : values) {
    if (known == name) return value;
  }
  return std::nullopt;
}

void Namespace::set(const std::string& name, Value value) {
  work(values.size() / 4);
  for (auto& [known, old] : values) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  values.emplace_back(name, std::move(value));
}

Value Value::undefined(const std::string& what) {
  Value value;
  value.held_ = Undefined{std::make_shared<const std::string>(what)};
  return value;
}
Value Value::text(PyText text, bool markup) {
  if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(text.size()));
  work(text.size() / 64);
  return Value(std::make_shared<const TextBody>(std::move(text), markup));
}
Value Value::ascii(std::string_view ascii) {
  return text(PyText(ascii.begin(), ascii.end()));
}
Value Value::list(std::vector<Value> items, Flavor flavor) {
  if (const Budget* budget = Budget::current()) budget->check_items(static_cast<double>(items.size()));
  work(items.size() / 4);
  return Value(std::make_shared<const ListBody>(std::move(items), flavor));
}
Value Value::dict(std::vector<std::pair<Value, Value>> items) {
  work(items.size());
  return Value(std::make_shared<const DictBody>(std::move(items)));
}

bool Value::is_flavor(Flavor flavor) const {
  return is_list() && as_list().flavor == flavor;
}
bool Value::is_markup() const {
  return is_text() && std::get<std::shared_ptr<const TextBody>>(held_)->is_markup;
}
const PyText& Value::as_text() const {
  return std::get<std::shared_ptr<const TextBody>>(held_)->text;
}
bool Value::is_same(const Value& other) const {
  if (held_.index() != other.held_.index()) return false;
  if (is_none()) return true;
  if (is_bool()) return as_bool() == other.as_bool();
  if (is_int()) return as_int() == other.as_int() && as_int() >= -5 && as_int() <= 256;
  if (is_text()) return &as_text() == &other.as_text() || (as_text().size() <= 1 && equal(*this, other));
  if (is_list()) return &as_list() == &other.as_list();
  if (is_dict()) return &as_dict() == &other.as_dict();
  if (is_object()) return as_object() == other.as_object();
  return false;
}
int Value::depth() const {
  if (is_list()) return as_list().depth;
  if (is_dict()) return as_dict().depth;
  if (is_object()) return as_object()->held_depth();
  return 0;
}

std::string type_name(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "NoneType";
  if (value.is_bool()) return "bool";
  if (value.is_int()) return "int";
  if (value.is_float()) return "float";
  if (value.is_text()) return value.is_markup() ? "Markup" : "str";
  if (value.is_dict()) return "dict";
  if (value.is_object()) return value.as_object()->type_name();
  switch (value.as_list().flavor) {
    case Flavor::list:
      return "list";
    case Flavor::tuple:
    case Flavor::group:
      return "tuple";
    case Flavor::range:
      return "range";
    case Flavor::iterator:
      return "generator";
    case Flavor::keys:
      return "dict_keys";
    case Flavor::values:
      return "dict_values";
    case Flavor::items:
      return "dict_items";
  }
  return "object";
}

bool truthy(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_integral()) return value.as_int() != 0;
  if (value.is_float()) return value.as_double() != 0;
  if (value.is_text()) return !value.as_text().empty();
  if (value.is_dict()) return !value.as_dict().items.empty();
  if (value.is_list()) return value.as_list().flavor == Flavor::iterator || !value.as_list().items.empty();
  return true;
}

namespace {

bool equal_lists(const ListBody& a, const ListBody& b) {
  const auto kind = [](Flavor f) { return f == Flavor::group ? Flavor::tuple : f; };
  if (kind(a.flavor) != kind(b.flavor) || a.flavor == Flavor::iterator || a.flavor == Flavor::values) return &a == &b;
  if (a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!equal(a.items[i], b.items[i])) return false;
  }
  return true;
}

bool equal_dicts(const DictBody& a, const DictBody& b) {
  if (a.items.size() != b.items.size()) return false;
  return std::all_of(a.items.begin(), a.items.end(), [&](const auto& item) {
    const Value* other = b.find(item.first);
    return other != nullptr && equal(item.second, *other);
  });
}

}  // namespace

bool equal(const Value& a, const Value& b) {
  if (Budget* budget = Budget::current()) budget->step();
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_integral() && b.is_integral()) return a.as_int() == b.as_int();
  if (a.is_number() && b.is_number()) return a.as_double() == b.as_double();
  if (a.is_text() && b.is_text()) {
    work(std::min(a.as_text().size(), b.as_text().size()) / 16);
    return py_equal(a.as_text(), b.as_text());
  }
  if (a.is_list() && b.is_list()) return equal_lists(a.as_list(), b.as_list());
  if (a.is_dict() && b.is_dict()) return equal_dicts(a.as_dict(), b.as_dict());
  if (a.is_object() && b.is_object()) return a.as_object() == b.as_object();
  return false;
}

int compare(const Value& a, const Value& b) {
  if (Budget* budget = Budget::current()) budget->step();
  if (a.is_undefined()) throw TemplateError(a.undefined_what());
  if (b.is_undefined()) throw TemplateError(b.undefined_what());
  const auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.is_integral() && b.is_integral()) return sign(a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) {
    if (std::isnan(a.as_double()) || std::isnan(b.as_double())) return 2;
    return sign(a.as_double(), b.as_double());
  }
  if (a.is_text() && b.is_text()) {
    work(std::min(a.as_text().size(), b.as_text().size()) / 16);
    return py_compare(a.as_text(), b.as_text());
  }
  const bool lists = a.is_flavor(Flavor::list) && b.is_flavor(Flavor::list);
  const bool tuples = type_name(a) == "tuple" && type_name(b) == "tuple";
  if (lists || tuples) {
    const auto& x = a.as_list().items;
    const auto& y = b.as_list().items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(x[i], y[i])) return compare(x[i], y[i]);
    }
    return sign(x.size(), y.size());
  }
  throw TemplateError(cat("'<' not supported between instances of '", type_name(a), "' and '", type_name(b), "'"));
}

int64_t length(const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_text()) return static_cast<int64_t>(value.as_text().size());
  if (value.is_dict()) return static_cast<int64_t>(value.as_dict().items.size());
  if (value.is_list() && value.as_list().flavor != Flavor::iterator) {
    return static_cast<int64_t>(value.as_list().items.size());
  }
  throw TemplateError(cat("object of type '", type_name(value), "' has no len()"));
}

std::vector<Value> iterate(const Value& value) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (value.is_text()) {
    work(value.as_text().size());
    if (const Budget* budget = Budget::current()) budget->check_items(static_cast<double>(value.as_text().size()));
    for (const char32_t c : value.as_text())
      items.push_back(Value::text(PyText(1, c)));
    return items;
  }
  if (value.is_dict()) {
    work(value.as_dict().items.size() / 4);
    for (const auto& [key, unused] : value.as_dict().items)
      items.push_back(key);
    return items;
  }
  if (!value.is_list()) throw TemplateError(cat("'", type_name(value), "' object is not iterable"));
  const ListBody& list = value.as_list();
  work(list.items.size() / 4);
  if (list.flavor == Flavor::iterator) {
    if (list.is_spent) return items;
    list.is_spent = true;
  }
  return list.items;
}

bool contains(const Value& container, const Value& x) {
  if (container.is_text()) {
    if (x.is_undefined()) throw TemplateError(x.undefined_what());
    if (!x.is_text()) {
      throw TemplateError(cat("'in <string>' requires string as left operand, not ", type_name(x)));
    }
    work(container.as_text().size() / 16);
    return py_find(container.as_text(), x.as_text()) != PyText::npos;
  }
  if (container.is_dict()) {
    if ((x.is_list() && !x.is_flavor(Flavor::tuple)) || x.is_dict()) {
      throw TemplateError(cat("unhashable type: '", type_name(x), "'"));
    }
    return container.as_dict().find(x) != nullptr;
  }
  if (!container.is_list() && !container.is_undefined()) {
    throw TemplateError(cat("argument of type '", type_name(container), "' is not iterable"));
  }
  const std::vector<Value> items = iterate(container);
  return std::any_of(items.begin(), items.end(), [&](const Value& item) { return equal(item, x); });
}

Value from_json(const OrderedJson& json, bool from_people) {
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    if (!is_valid_utf8(text)) throw TemplateError("texts must be UTF-8, but one is not");
    return Value::text(py_from_utf8(text, from_people));
  }
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    throw TemplateError(cat("integers must have 64 bits, but got ", json.get<uint64_t>()));
  }
  if (json.is_number_integer()) return Value(json.get<int64_t>());
  if (json.is_number_float()) return Value(json.get<double>());
  if (json.is_array()) {
    std::vector<Value> items;
    items.reserve(json.size());
    for (const auto& item : json)
      items.push_back(from_json(item, from_people));
    return Value::list(std::move(items));
  }
  if (json.is_object()) {
    std::vector<std::pair<Value, Value>> items;
    items.reserve(json.size());
    for (const auto& [key, item] : json.items())
      items.emplace_back(Value::text(py_from_utf8(key, from_people)), from_json(item, from_people));
    return Value::dict(std::move(items));
  }
  return Value();
}

}  // namespace afina::text::jinja
