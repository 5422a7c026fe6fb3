// SPDX-License-Identifier: Apache-2.0
// jinja2's tests (x is defined, x is divisibleby 3, …) and global functions.
#include <unordered_map>

#include "base/cat.h"
#include "text/jinja_run.h"

namespace afina::text::jinja {

namespace {

bool is_callable(const Value& v) {
  return v.is_undefined() || (v.is_object() && v.as_object()->is_callable());
}
bool is_iterable(const Value& v) {
  return v.is_undefined() || v.is_text() || v.is_list() || v.is_dict();
}
bool is_sequence(const Value& v) {
  return v.is_undefined() || v.is_text() || v.is_dict() || (v.is_list() && v.as_list().flavor <= Flavor::range);
}
bool is_case(Interpreter& run, const Value& v, const char* name) {
  return truthy(run.call(*method(Value::text(to_text(v)), name), {}));
}
bool remainder_is(const Value& v, int64_t by, int64_t rest) {
  return equal(operate("%", v, Value(by)), Value(rest));
}

template <bool (*holds)(const Value&)>
bool simple(Interpreter&, const Value& v, const Arguments& a) {
  Parameters("test", a, {});
  return holds(v);
}
bool defined(const Value& v) {
  return !v.is_undefined();
}
bool undefined(const Value& v) {
  return v.is_undefined();
}
bool none(const Value& v) {
  return v.is_none();
}
bool boolean(const Value& v) {
  return v.is_bool();
}
bool is_true(const Value& v) {
  return v.is_bool() && v.as_bool();
}
bool is_false(const Value& v) {
  return v.is_bool() && !v.as_bool();
}
bool integer(const Value& v) {
  return v.is_int();
}
bool real(const Value& v) {
  return v.is_float();
}
bool number(const Value& v) {
  return v.is_number();
}
bool text(const Value& v) {
  return v.is_text();
}
bool mapping(const Value& v) {
  return v.is_dict();
}
bool markup(const Value& v) {
  return v.is_markup();
}
bool odd(const Value& v) {
  return remainder_is(v, 2, 1);
}
bool even(const Value& v) {
  return remainder_is(v, 2, 0);
}

enum class Order { eq, ne, lt, le, gt, ge };
template <Order order>
bool ordered(Interpreter&, const Value& v, const Arguments& a) {
  const Value other = Parameters("test", a, {"other"}).at(0);
  if (order == Order::eq) return equal(v, other);
  if (order == Order::ne) return !equal(v, other);
  const int way = compare(v, other);
  if (order == Order::lt) return way == -1;
  if (order == Order::le) return way == -1 || way == 0;
  if (order == Order::gt) return way == 1;
  return way == 1 || way == 0;
}

bool divisible(Interpreter&, const Value& v, const Arguments& a) {
  return equal(operate("%", v, Parameters("divisibleby", a, {"num"}).at(0)), Value(int64_t{0}));
}
bool same(Interpreter&, const Value& v, const Arguments& a) {
  return v.is_same(Parameters("sameas", a, {"other"}).at(0));
}
bool within(Interpreter&, const Value& v, const Arguments& a) {
  return contains(Parameters("in", a, {"seq"}).at(0), v);
}
bool lower(Interpreter& run, const Value& v, const Arguments&) {
  return is_case(run, v, "islower");
}
bool upper(Interpreter& run, const Value& v, const Arguments&) {
  return is_case(run, v, "isupper");
}
bool names_filter(Interpreter&, const Value& v, const Arguments&) {
  return v.is_text() && find_filter(py_to_utf8(v.as_text())) != nullptr;
}
bool names_test(Interpreter&, const Value& v, const Arguments&) {
  return v.is_text() && find_test(py_to_utf8(v.as_text())) != nullptr;
}

Value range(Interpreter&, const Arguments& a) {
  if (!a.named.empty()) throw TemplateError("range() takes no keyword arguments");
  const Parameters p("range", a, {"start", "stop", "step"});
  const int64_t first = need_int(p.at(0), "range() arguments");
  const int64_t start = p.has(1) ? first : 0;
  const int64_t stop = p.has(1) ? need_int(p.at(1), "range() arguments") : first;
  const int64_t step = p.has(2) ? need_int(p.at(2), "range() arguments") : 1;
  if (step == 0) throw TemplateError("range() arg 3 must not be zero");
  if (const Budget* budget = Budget::current()) {
    budget->check_range((static_cast<double>(stop) - static_cast<double>(start)) / static_cast<double>(step));
  }
  std::vector<Value> items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::list(std::move(items), Flavor::range);
}

std::vector<std::pair<Value, Value>> dict_pairs(const Arguments& a) {
  std::vector<std::pair<Value, Value>> pairs;
  if (a.values.size() > 1) throw TemplateError("dict expected at most 1 argument");
  if (!a.values.empty() && a.values[0].is_dict()) {
    pairs = a.values[0].as_dict().items;
  } else if (!a.values.empty()) {
    for (const Value& item : iterate(a.values[0])) {
      const std::vector<Value> pair = iterate(item);
      if (pair.size() != 2) throw TemplateError("dictionary update sequence elements must have length 2");
      pairs.emplace_back(pair[0], pair[1]);
    }
  }
  for (const auto& [name, value] : a.named)
    pairs.emplace_back(Value::text(py_from_utf8(name)), value);
  return pairs;
}

Value dict(Interpreter&, const Arguments& a) {
  return Value::dict(dict_pairs(a));
}

Value make_namespace(Interpreter& run, const Arguments& a) {
  const auto names = std::make_shared<Namespace>();
  const Value unique = Value::dict(dict_pairs(a));
  for (const auto& [key, value] : unique.as_dict().items)
    names->values.emplace_back(py_to_utf8(to_text(key)), value);
  run.keep(names);
  return Value(std::static_pointer_cast<Object>(names));
}

Value raise_exception(Interpreter&, const Arguments& a) {
  throw TemplateError(py_to_utf8(to_text(Parameters("raise_exception", a, {"message"}).at(0))));
}

Value function(const std::string& name, Function::Body body) {
  return Value(std::static_pointer_cast<Object>(std::make_shared<Function>(name, std::move(body))));
}

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {
    for (const Value& item : items_)
      holds(item);
  }
  std::string type_name() const override { return "Cycler"; }
  std::optional<Value> attribute(const std::string& name) override {
    if (name == "current") return items_[*at_];
    const auto at = at_;
    if (name == "reset") {
      return function("reset", [at](Interpreter&, const Arguments&) {
        *at = 0;
        return Value();
      });
    }
    if (name != "next") return std::nullopt;
    return function("next", [at, items = Value::list(items_)](Interpreter&, const Arguments&) {
      const auto& all = items.as_list().items;
      const Value now = all[*at];
      *at = (*at + 1) % all.size();
      return now;
    });
  }

 private:
  std::vector<Value> items_;
  std::shared_ptr<size_t> at_ = std::make_shared<size_t>(0);
};

Value cycler(Interpreter&, const Arguments& a) {
  if (a.values.empty()) throw TemplateError("at least one item has to be provided");
  return Value(std::static_pointer_cast<Object>(std::make_shared<Cycler>(a.values)));
}

Value joiner(Interpreter&, const Arguments& a) {
  const Value separator = Value::text(to_text(Parameters("joiner", a, {"sep"}).or_else(0, Value::ascii(", "))));
  const auto used = std::make_shared<bool>(false);
  return function("Joiner", [separator, used](Interpreter&, const Arguments&) {
    const bool first = !*used;
    *used = true;
    return first ? Value::ascii("") : separator;
  });
}

}  // namespace

TestBody find_test(const std::string& name) {
  static const std::unordered_map<std::string, TestBody> table = {
      {"defined", simple<defined>},
      {"undefined", simple<undefined>},
      {"none", simple<none>},
      {"boolean", simple<boolean>},
      {"true", simple<is_true>},
      {"false", simple<is_false>},
      {"integer", simple<integer>},
      {"float", simple<real>},
      {"number", simple<number>},
      {"string", simple<text>},
      {"mapping", simple<mapping>},
      {"iterable", simple<is_iterable>},
      {"sequence", simple<is_sequence>},
      {"callable", simple<is_callable>},
      {"escaped", simple<markup>},
      {"odd", simple<odd>},
      {"even", simple<even>},
      {"lower", lower},
      {"upper", upper},
      {"divisibleby", divisible},
      {"sameas", same},
      {"in", within},
      {"filter", names_filter},
      {"test", names_test},
      {"eq", ordered<Order::eq>},
      {"equalto", ordered<Order::eq>},
      {"==", ordered<Order::eq>},
      {"ne", ordered<Order::ne>},
      {"!=", ordered<Order::ne>},
      {"lt", ordered<Order::lt>},
      {"lessthan", ordered<Order::lt>},
      {"<", ordered<Order::lt>},
      {"le", ordered<Order::le>},
      {"<=", ordered<Order::le>},
      {"gt", ordered<Order::gt>},
      {"greaterthan", ordered<Order::gt>},
      {">", ordered<Order::gt>},
      {"ge", ordered<Order::ge>},
      {">=", ordered<Order::ge>},
  };
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

std::optional<Value> find_global(const std::string& name) {
  static const std::unordered_map<std::string, Value> table = {
      {"range", function("range", range)},
      {"dict", function("dict", dict)},
      {"namespace", function("namespace", make_namespace)},
      {"cycler", function("cycler", cycler)},
      {"joiner", function("joiner", joiner)},
      {"raise_exception", function("raise_exception", raise_exception)},
  };
  const auto found = table.find(name);
  if (found == table.end()) return std::nullopt;
  return found->second;
}

}  // namespace afina::text::jinja
