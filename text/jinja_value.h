// SPDX-License-Identifier: Apache-2.0
// Values of a template as Python has them: None, bool, int (64 bits), float, str, list and tuple, dict, and objects
// (macros, methods, loops, namespaces). Texts, lists and dicts never change once made, as in transformers' immutable
// sandbox, so values are shared freely; each is charged to the budget of the render that made it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "text/jinja_budget.h"
#include "text/py_text.h"

namespace afina::text::jinja {

/// What jinja2 or Python would raise; the words after the kind are for people.
class TemplateError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Value;
struct TextBody;
struct ListBody;
struct DictBody;
class Object;

struct Undefined {
  std::shared_ptr<const std::string> what;  ///< "'x' is undefined"
};
struct None {};

/// How a list of values looks to Python: what it prints, and whether it has a length and survives being read.
enum class Flavor { list, tuple, group, range, iterator, keys, values, items };

class Value {
 public:
  Value() : held_(None{}) {}
  Value(bool b) : held_(b) {}
  Value(int64_t i) : held_(i) {}
  Value(double d) : held_(d) {}
  Value(std::shared_ptr<const TextBody> t) : held_(std::move(t)) {}
  Value(std::shared_ptr<const ListBody> l) : held_(std::move(l)) {}
  Value(std::shared_ptr<const DictBody> d) : held_(std::move(d)) {}
  Value(std::shared_ptr<Object> o) : held_(std::move(o)) {}
  static Value undefined(const std::string& what);
  static Value text(PyText text, bool markup = false);
  static Value ascii(std::string_view ascii);
  static Value list(std::vector<Value> items, Flavor flavor = Flavor::list);
  static Value dict(std::vector<std::pair<Value, Value>> items);

  bool is_undefined() const { return std::holds_alternative<Undefined>(held_); }
  bool is_none() const { return std::holds_alternative<None>(held_); }
  bool is_bool() const { return std::holds_alternative<bool>(held_); }
  bool is_int() const { return std::holds_alternative<int64_t>(held_); }
  bool is_float() const { return std::holds_alternative<double>(held_); }
  /// bool counts, as in Python.
  bool is_number() const { return is_bool() || is_int() || is_float(); }
  bool is_integral() const { return is_bool() || is_int(); }
  bool is_text() const { return std::holds_alternative<std::shared_ptr<const TextBody>>(held_); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<const ListBody>>(held_); }
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const DictBody>>(held_); }
  bool is_object() const { return std::holds_alternative<std::shared_ptr<Object>>(held_); }
  bool is_flavor(Flavor flavor) const;
  bool is_markup() const;

  const std::string& undefined_what() const { return *std::get<Undefined>(held_).what; }
  bool as_bool() const { return std::get<bool>(held_); }
  int64_t as_int() const { return is_bool() ? (as_bool() ? 1 : 0) : std::get<int64_t>(held_); }
  double as_double() const { return is_float() ? std::get<double>(held_) : static_cast<double>(as_int()); }
  const PyText& as_text() const;
  const ListBody& as_list() const { return *std::get<std::shared_ptr<const ListBody>>(held_); }
  const DictBody& as_dict() const { return *std::get<std::shared_ptr<const DictBody>>(held_); }
  const std::shared_ptr<Object>& as_object() const { return std::get<std::shared_ptr<Object>>(held_); }
  /// Same object in memory (Python's `is`), or the same small value.
  bool is_same(const Value& other) const;
  /// Of lists and dicts; bounded, so that destroying a value cannot exhaust the stack.
  int depth() const;

 private:
  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const TextBody>, std::shared_ptr<const ListBody>,
               std::shared_ptr<const DictBody>, std::shared_ptr<Object>>
      held_;
};

struct TextBody {
  TextBody(PyText text, bool is_markup);
  PyText text;
  bool is_markup;  ///< went through |safe or |escape
  Charge charge;
};

struct ListBody {
  ListBody(std::vector<Value> items, Flavor flavor);
  std::vector<Value> items;
  Flavor flavor;
  int depth;
  mutable bool is_spent = false;  ///< an iterator that was read
  Charge charge;
};

struct DictBody {
  /// Later keys replace the values of equal earlier ones, which keep their places.
  explicit DictBody(std::vector<std::pair<Value, Value>> items);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view ascii) const;
  std::vector<std::pair<Value, Value>> items;
  int depth = 1;
  Charge charge;

 private:
  std::unordered_map<std::string, size_t> texts_;  ///< key texts to places, where there are many
};

/// Arguments of a call.
struct Arguments {
  std::vector<Value> values;
  std::vector<std::pair<std::string, Value>> named;
};

class Interpreter;

/// Anything with attributes or that can be called.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;
  virtual std::optional<Value> attribute(const std::string&) { return std::nullopt; }
  virtual bool is_callable() const { return false; }
  virtual Value call(Interpreter&, const Arguments&) { throw TemplateError(type_name() + " is not callable"); }
  /// How deep the values reach that it holds; throws LimitError where that is too deep.
  int held_depth() const { return held_depth_; }
  void holds(const Value& value);

 private:
  int held_depth_ = 0;
};

class Function : public Object {
 public:
  using Body = std::function<Value(Interpreter&, const Arguments&)>;
  Function(std::string name, Body body) : name_(std::move(name)), body_(std::move(body)) {}
  std::string type_name() const override { return "function " + name_; }
  bool is_callable() const override { return true; }
  Value call(Interpreter& run, const Arguments& arguments) override { return body_(run, arguments); }

 private:
  std::string name_;
  Body body_;
};

/// namespace(): the one thing that a template can change.
class Namespace : public Object {
 public:
  std::string type_name() const override { return "Namespace"; }
  std::optional<Value> attribute(const std::string& name) override;
  void set(const std::string& name, Value value);
  std::vector<std::pair<std::string, Value>> values;
};

std::string type_name(const Value& value);
bool truthy(const Value& value);
/// Python's ==.
bool equal(const Value& a, const Value& b);
/// Python's <, ==, > for values of like types; throws TemplateError where Python would raise TypeError.
int compare(const Value& a, const Value& b);
/// Python's len; throws TemplateError where there is none.
int64_t length(const Value& value);
/// The items of anything iterable, an iterator's once. Throws TemplateError.
std::vector<Value> iterate(const Value& value);
/// str(value) and repr(value).
PyText to_text(const Value& value);
PyText to_repr(const Value& value);
/// x in container.
bool contains(const Value& container, const Value& x);

/// Strings are marked as from people where from_people says so.
Value from_json(const OrderedJson& json, bool from_people);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<PyText> indent;
  PyText item_separator;
  PyText key_separator;
};
/// json.dumps; throws TemplateError for what JSON has not.
PyText to_json(const Value& value, const JsonStyle& style);

}  // namespace afina::text::jinja
