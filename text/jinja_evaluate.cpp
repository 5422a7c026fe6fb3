// SPDX-License-Identifier: Apache-2.0
// Expressions, macros and calls of a render.
#include <algorithm>

#include "base/cat.h"
#include "text/jinja_run.h"

namespace afina::text::jinja {

namespace {

class Macro : public Object {
 public:
  Macro(const Node& node, std::shared_ptr<Scope> scope) : node_(node), scope_(std::move(scope)) {}
  std::string type_name() const override { return cat("Macro '", node_.text, "'"); }
  bool is_callable() const override { return true; }
  std::optional<Value> attribute(const std::string& name) override {
    if (name == "name") return Value::text(py_from_utf8(node_.text));
    return std::nullopt;
  }

  Value call(Interpreter& run, const Arguments& arguments) override {
    if (Budget* budget = Budget::current()) budget->step();
    const auto scope = std::make_shared<Scope>(scope_);
    std::vector<std::pair<std::string, Value>> named = arguments.named;
    bind(run, arguments, named, scope);
    special(run, arguments, named, scope);
    Output out;
    if (run.execute(node_.body, scope, out) != Flow::next) throw TemplateError("'break' outside loop");
    return Value::text(out.take());
  }

 private:
  void set(Interpreter& run, const std::string& name, Value value, const std::shared_ptr<Scope>& scope) const {
    if (const int id = run.id_of(name); id >= 0) scope->values.emplace_back(id, std::move(value));
  }

  static std::optional<Value> take(std::vector<std::pair<std::string, Value>>& named, const std::string& name) {
    for (size_t i = 0; i < named.size(); ++i) {
      if (named[i].first != name) continue;
      Value value = named[i].second;
      named.erase(named.begin() + static_cast<ptrdiff_t>(i));
      return value;
    }
    return std::nullopt;
  }

  void bind(Interpreter& run, const Arguments& arguments, std::vector<std::pair<std::string, Value>>& named,
            const std::shared_ptr<Scope>& scope) const {
    for (size_t i = 0; i < node_.arguments.size(); ++i) {
      const ArgumentNode& parameter = node_.arguments[i];
      std::optional<Value> value;
      if (i < arguments.values.size()) {
        value = arguments.values[i];
      } else {
        value = take(named, parameter.name);
      }
      if (!value && parameter.value != nullptr) value = run.evaluate(*parameter.value, scope);
      if (!value) value = Value::undefined(cat("parameter '", parameter.name, "' was not provided"));
      set(run, parameter.name, *value, scope);
    }
  }

  void special(Interpreter& run, const Arguments& arguments, std::vector<std::pair<std::string, Value>>& named,
               const std::shared_ptr<Scope>& scope) const {
    if (node_.uses_caller) {
      const bool is_parameter = std::any_of(node_.arguments.begin(), node_.arguments.end(),
                                            [](const ArgumentNode& a) { return a.name == "caller"; });
      if (!is_parameter)
        set(run, "caller", take(named, "caller").value_or(Value::undefined("No caller defined")), scope);
    }
    const size_t places = node_.arguments.size();
    if (node_.uses_varargs) {
      std::vector<Value> rest;
      for (size_t i = places; i < arguments.values.size(); ++i)
        rest.push_back(arguments.values[i]);
      set(run, "varargs", Value::list(std::move(rest), Flavor::tuple), scope);
    } else if (arguments.values.size() > places) {
      throw TemplateError(cat("macro '", node_.text, "' takes not more than ", places, " argument(s)"));
    }
    if (node_.uses_kwargs) {
      std::vector<std::pair<Value, Value>> rest;
      for (const auto& [name, value] : named)
        rest.emplace_back(Value::text(py_from_utf8(name)), value);
      set(run, "kwargs", Value::dict(std::move(rest)), scope);
    } else if (!named.empty()) {
      throw TemplateError(cat("macro '", node_.text, "' takes no keyword argument '", named[0].first, "'"));
    }
  }

  const Node& node_;
  std::shared_ptr<Scope> scope_;
};

Value negative(const Value& value) {
  if (value.is_undefined()) raise_undefined(value);
  if (value.is_integral()) return operate("-", Value(int64_t{0}), value);
  if (value.is_float()) return Value(-value.as_double());
  throw TemplateError(cat("bad operand type for unary -: '", type_name(value), "'"));
}

Value positive(const Value& value) {
  if (value.is_undefined()) raise_undefined(value);
  if (value.is_integral()) return Value(value.as_int());
  if (value.is_float()) return value;
  throw TemplateError(cat("bad operand type for unary +: '", type_name(value), "'"));
}

}  // namespace

Value Interpreter::macro(const Node& node, const std::shared_ptr<Scope>& scope) {
  keep(scope);
  if (Budget* budget = Budget::current()) budget->hold(128);
  return Value(std::static_pointer_cast<Object>(std::make_shared<Macro>(node, scope)));
}

Value Interpreter::name(const Node& node, const std::shared_ptr<Scope>& scope) {
  for (const Scope* at = scope.get(); at != nullptr; at = at->parent.get()) {
    work(at->values.size() / 8);
    for (const auto& [id, value] : at->values) {
      if (id == node.id) return value;
    }
  }
  if (auto global = find_global(node.text)) return *global;
  return Value::undefined(cat("'", node.text, "' is undefined"));
}

Value Interpreter::evaluate(const Node& node, const std::shared_ptr<Scope>& scope) {
  if (Budget* budget = Budget::current()) budget->step();
  const auto kid = [&](size_t i) { return evaluate(*node.kids[i], scope); };
  switch (node.kind) {
    case NodeKind::constant:
      return node.value;
    case NodeKind::name:
      return name(node, scope);
    case NodeKind::list:
    case NodeKind::tuple: {
      std::vector<Value> items;
      for (const NodePtr& item : node.kids)
        items.push_back(evaluate(*item, scope));
      return Value::list(std::move(items), node.kind == NodeKind::list ? Flavor::list : Flavor::tuple);
    }
    case NodeKind::dict:
      return dict(node, scope);
    case NodeKind::attribute:
      return attribute(kid(0), node.text);
    case NodeKind::item: {
      const Value object = kid(0);
      if (node.kids[1]->kind == NodeKind::slice) return slice(object, *node.kids[1], scope);
      return item(object, kid(1));
    }
    case NodeKind::call: {
      const Value callee = kid(0);
      return call(callee, arguments(node.arguments, scope));
    }
    case NodeKind::filter:
      return filter(node.text, kid(0), arguments(node.arguments, scope));
    case NodeKind::test:
      return Value(test(node.text, kid(0), arguments(node.arguments, scope)) != node.flag);
    case NodeKind::negate:
      return Value(!truthy(kid(0)));
    case NodeKind::minus:
      return negative(kid(0));
    case NodeKind::plus:
      return positive(kid(0));
    case NodeKind::logic_and: {
      Value left = kid(0);
      return truthy(left) ? kid(1) : left;
    }
    case NodeKind::logic_or: {
      Value left = kid(0);
      return truthy(left) ? left : kid(1);
    }
    case NodeKind::compare:
      return Value(compare_chain(node, scope));
    case NodeKind::binary: {
      const Value left = kid(0);
      return operate(node.text, left, kid(1));
    }
    case NodeKind::concat:
      return concat(node, scope);
    case NodeKind::condition:
      if (truthy(kid(0))) return kid(1);
      if (node.kids.size() > 2) return kid(2);
      return Value::undefined(
          cat("the inline if-expression on line ", node.line, " evaluated to false and no else section was defined."));
    default:
      throw TemplateError("an expression was expected");
  }
}

Value Interpreter::dict(const Node& node, const std::shared_ptr<Scope>& scope) {
  std::vector<std::pair<Value, Value>> items;
  for (size_t i = 0; i + 1 < node.kids.size(); i += 2) {
    Value key = evaluate(*node.kids[i], scope);
    items.emplace_back(std::move(key), evaluate(*node.kids[i + 1], scope));
  }
  return Value::dict(std::move(items));
}

Value Interpreter::concat(const Node& node, const std::shared_ptr<Scope>& scope) {
  PyText text;
  for (const NodePtr& part : node.kids) {
    const Value value = evaluate(*part, scope);
    text += to_text(value);
    if (const Budget* budget = Budget::current()) budget->check_characters(static_cast<double>(text.size()));
  }
  return Value::text(std::move(text));
}

bool Interpreter::compare_chain(const Node& node, const std::shared_ptr<Scope>& scope) {
  Value left = evaluate(*node.kids[0], scope);
  for (size_t i = 0; i < node.operators.size(); ++i) {
    Value right = evaluate(*node.kids[i + 1], scope);
    const std::string& op = node.operators[i];
    bool holds = false;
    if (op == "==" || op == "!=") {
      holds = equal(left, right) == (op == "==");
    } else if (op == "in" || op == "not in") {
      holds = contains(right, left) == (op == "in");
    } else {
      const int order = compare(left, right);
      holds = op == "<"    ? order == -1
              : op == "<=" ? order == -1 || order == 0
              : op == ">"  ? order == 1
                           : order == 1 || order == 0;
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::slice(const Value& object, const Node& node, const std::shared_ptr<Scope>& scope) {
  std::optional<int64_t> parts[3];
  for (size_t i = 0; i < 3; ++i) {
    if (node.kids[i] == nullptr) continue;
    const Value value = evaluate(*node.kids[i], scope);
    if (!value.is_none()) parts[i] = need_int(value, "slice indices");
  }
  if (object.is_undefined()) raise_undefined(object);
  const bool is_list = object.is_list() && (object.as_list().flavor <= Flavor::range);
  if (!object.is_text() && !is_list) return Value::undefined(cat("'", type_name(object), " object' has no such slice"));
  const int64_t step = parts[2].value_or(1);
  if (step == 0) throw TemplateError("slice step cannot be zero");
  const int64_t size = length(object);
  const auto clamp = [&](std::optional<int64_t> index, int64_t other) {
    if (!index) return other;
    int64_t at = *index < 0 ? *index + size : *index;
    const int64_t low = step < 0 ? -1 : 0;
    const int64_t high = step < 0 ? size - 1 : size;
    return std::clamp(at, low, std::max(low, high));
  };
  const int64_t start = clamp(parts[0], step < 0 ? size - 1 : 0);
  const int64_t stop = clamp(parts[1], step < 0 ? -1 : size);
  std::vector<size_t> places;
  for (int64_t i = start; step < 0 ? i > stop : i < stop;) {
    places.push_back(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  work(places.size() / 8);
  if (object.is_text()) {
    PyText text;
    for (const size_t at : places)
      text += object.as_text()[at];
    return Value::text(std::move(text), object.is_markup());
  }
  std::vector<Value> items;
  for (const size_t at : places)
    items.push_back(object.as_list().items[at]);
  const Flavor flavor = object.as_list().flavor;
  return Value::list(std::move(items), flavor == Flavor::group ? Flavor::tuple : flavor);
}

Arguments Interpreter::arguments(const std::vector<ArgumentNode>& nodes, const std::shared_ptr<Scope>& scope) {
  Arguments out;
  for (const ArgumentNode& node : nodes) {
    Value value = evaluate(*node.value, scope);
    if (node.stars == 1) {
      for (Value& item : iterate(value))
        out.values.push_back(std::move(item));
    } else if (node.stars == 2) {
      if (!value.is_dict()) throw TemplateError(cat("argument after ** must be a mapping, not ", type_name(value)));
      for (const auto& [key, item] : value.as_dict().items) {
        if (!key.is_text()) throw TemplateError("keywords must be strings");
        out.named.emplace_back(py_to_utf8(key.as_text()), item);
      }
    } else if (!node.name.empty()) {
      out.named.emplace_back(node.name, std::move(value));
    } else {
      out.values.push_back(std::move(value));
    }
  }
  for (size_t i = 0; i < out.named.size(); ++i) {
    work(i / 8);
    for (size_t j = 0; j < i; ++j) {
      if (out.named[j].first == out.named[i].first) {
        throw TemplateError(cat("got multiple values for keyword argument '", out.named[i].first, "'"));
      }
    }
  }
  return out;
}

Value Interpreter::filters_on(const Node& node, Value value, const std::shared_ptr<Scope>& scope) {
  if (node.kids[0] != nullptr) value = filters_on(*node.kids[0], std::move(value), scope);
  return filter(node.text, value, arguments(node.arguments, scope));
}

Value Interpreter::call(const Value& callee, const Arguments& given) {
  if (callee.is_undefined()) raise_undefined(callee);
  if (!callee.is_object() || !callee.as_object()->is_callable()) {
    throw TemplateError(cat("'", type_name(callee), "' object is not callable"));
  }
  const std::shared_ptr<Object> held = callee.as_object();
  return held->call(*this, given);
}

Value Interpreter::filter(const std::string& filter_name, const Value& value, const Arguments& given) {
  const FilterBody body = find_filter(filter_name);
  if (body == nullptr) throw TemplateError(cat("No filter named '", filter_name, "'."));
  return body(*this, value, given);
}

bool Interpreter::test(const std::string& test_name, const Value& value, const Arguments& given) {
  const TestBody body = find_test(test_name);
  if (body == nullptr) throw TemplateError(cat("No test named '", test_name, "'."));
  return body(*this, value, given);
}

Value Interpreter::attribute(const Value& object, const std::string& attribute_name) {
  if (object.is_undefined()) raise_undefined(object);
  if (object.is_object()) {
    if (auto value = object.as_object()->attribute(attribute_name)) return *value;
  } else if (auto bound = method(object, attribute_name)) {
    return *bound;
  } else if (object.is_flavor(Flavor::group) && (attribute_name == "grouper" || attribute_name == "list")) {
    return object.as_list().items[attribute_name == "grouper" ? 0 : 1];
  } else if (object.is_dict()) {
    if (const Value* value = object.as_dict().find(attribute_name)) return *value;
  }
  const std::string owner = object.is_none() ? "None" : cat("'", type_name(object), " object'");
  return Value::undefined(cat(owner, " has no attribute '", attribute_name, "'"));
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) raise_undefined(object);
  if (object.is_dict()) {
    if (!key.is_dict() && !(key.is_list() && !key.is_flavor(Flavor::tuple))) {
      if (const Value* value = object.as_dict().find(key)) return *value;
    }
  } else if (key.is_integral() &&
             (object.is_text() || (object.is_list() && object.as_list().flavor <= Flavor::range))) {
    const int64_t size = length(object);
    const int64_t at = key.as_int() < 0 ? key.as_int() + size : key.as_int();
    if (at >= 0 && at < size) {
      if (object.is_list()) return object.as_list().items[static_cast<size_t>(at)];
      return Value::text(PyText(1, object.as_text()[static_cast<size_t>(at)]), object.is_markup());
    }
  }
  if (key.is_text()) {
    const std::string text = py_to_utf8(key.as_text());
    if (object.is_object()) {
      if (auto value = object.as_object()->attribute(text)) return *value;
    } else if (auto bound = method(object, text)) {
      return *bound;
    }
  }
  const std::string owner = object.is_none() ? "None" : cat(type_name(object), " object");
  return Value::undefined(key.is_text() ? cat("'", owner, "' has no attribute '", py_to_utf8(key.as_text()), "'")
                                        : cat(owner, " has no element ", py_to_utf8(to_text(key))));
}

}  // namespace afina::text::jinja
