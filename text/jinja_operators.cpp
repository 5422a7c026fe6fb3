// SPDX-License-Identifier: Apache-2.0
// Python's operators on values, |escape, and the binding of arguments.
#include <cmath>

#include "base/cat.h"
#include "text/jinja_run.h"

namespace afina::text::jinja {

void raise_undefined(const Value& value) {
  throw TemplateError(value.undefined_what());
}

int64_t need_int(const Value& value, const std::string& what) {
  if (value.is_undefined()) raise_undefined(value);
  if (!value.is_integral()) throw TemplateError(cat(what, " must be integers, not ", type_name(value)));
  return value.as_int();
}

Parameters::Parameters(const std::string& function, const Arguments& arguments,
                       std::initializer_list<const char*> names)
    : function_(function), names_(names.begin(), names.end()), values_(names.size()) {
  if (arguments.values.size() > names_.size()) {
    throw TemplateError(
        cat(function_, "() takes at most ", names_.size(), " arguments (", arguments.values.size(), " given)"));
  }
  for (size_t i = 0; i < arguments.values.size(); ++i)
    values_[i] = arguments.values[i];
  for (const auto& [name, value] : arguments.named) {
    size_t at = 0;
    while (at < names_.size() && names_[at] != name)
      ++at;
    if (at == names_.size()) throw TemplateError(cat(function_, "() got an unexpected keyword argument '", name, "'"));
    if (values_[at]) throw TemplateError(cat(function_, "() got multiple values for argument '", name, "'"));
    values_[at] = value;
  }
}

const Value& Parameters::at(size_t i) const {
  if (!has(i)) throw TemplateError(cat(function_, "() missing 1 required positional argument: '", names_[i], "'"));
  return *values_[i];
}

int64_t Parameters::integer(size_t i, int64_t other) const {
  if (!has(i) || values_[i]->is_none()) return other;
  return need_int(*values_[i], cat(function_, "() arguments"));
}

Value escape(const Value& value) {
  if (value.is_markup()) return value;
  PyText out;
  for (const char32_t c : to_text(value)) {
    const char* as = nullptr;
    switch (plain(c)) {
      case '&':
        as = "&amp;";
        break;
      case '<':
        as = "&lt;";
        break;
      case '>':
        as = "&gt;";
        break;
      case '\'':
        as = "&#39;";
        break;
      case '"':
        as = "&#34;";
        break;
      default:
        out += c;
        continue;
    }
    for (; *as != 0; ++as)
      out += static_cast<char32_t>(*as) | (c & ~kCodePointMask);
  }
  return Value::text(std::move(out), true);
}

namespace {

[[noreturn]] void overflow() {
  throw TemplateError("integers must have 64 bits, but a result has more");
}

[[noreturn]] void unsupported(const std::string& op, const Value& a, const Value& b) {
  throw TemplateError(cat("unsupported operand type(s) for ", op, ": '", type_name(a), "' and '", type_name(b), "'"));
}

int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) throw TemplateError("integer division or modulo by zero");
  if (a == INT64_MIN && b == -1) overflow();
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

Value power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) throw TemplateError("0.0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  if (base == 0 || base == 1 || base == -1) {
    return Value(exponent == 0 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : base);
  }
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) overflow();
  }
  return Value(result);
}

Value integers(const std::string& op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &result)) overflow();
  } else if (op == "-") {
    if (__builtin_sub_overflow(a, b, &result)) overflow();
  } else if (op == "*") {
    if (__builtin_mul_overflow(a, b, &result)) overflow();
  } else if (op == "//") {
    result = floor_divide(a, b);
  } else if (op == "%") {
    if (b == -1) return Value(int64_t{0});
    result = a - floor_divide(a, b) * b;
  } else if (op == "/") {
    if (b == 0) throw TemplateError("division by zero");
    return Value(static_cast<double>(a) / static_cast<double>(b));
  } else {
    return power(a, b);
  }
  return Value(result);
}

double float_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

Value reals(const std::string& op, double a, double b) {
  if (op == "+") return Value(a + b);
  if (op == "-") return Value(a - b);
  if (op == "*") return Value(a * b);
  if (op != "**" && b == 0) throw TemplateError("float division by zero");
  if (op == "/") return Value(a / b);
  if (op == "%") return Value(float_modulo(a, b));
  if (op == "//") {
    const double quotient = (a - float_modulo(a, b)) / b;
    const double down = std::floor(quotient);
    return Value(quotient - down > 0.5 ? down + 1 : down);
  }
  const double result = std::pow(a, b);
  if (std::isinf(result) && !std::isinf(a) && !std::isinf(b)) throw TemplateError("Numerical result out of range");
  if (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) throw TemplateError("complex numbers are not supported");
  return Value(result);
}

Value repeated(const Value& value, int64_t times) {
  const double count = static_cast<double>(std::max<int64_t>(times, 0));
  if (value.is_text()) {
    const PyText& text = value.as_text();
    if (const Budget* budget = Budget::current()) budget->check_characters(count * static_cast<double>(text.size()));
    PyText out;
    for (int64_t i = 0; i < times && !text.empty(); ++i)
      out += text;
    return Value::text(std::move(out), value.is_markup());
  }
  const auto& items = value.as_list().items;
  if (const Budget* budget = Budget::current()) budget->check_items(count * static_cast<double>(items.size()));
  std::vector<Value> out;
  for (int64_t i = 0; i < times && !items.empty(); ++i)
    out.insert(out.end(), items.begin(), items.end());
  return Value::list(std::move(out), value.as_list().flavor);
}

bool repeats(const Value& value) {
  return value.is_text() || value.is_flavor(Flavor::list) || value.is_flavor(Flavor::tuple);
}

Value add_texts(const Value& a, const Value& b) {
  const bool markup = a.is_markup() || b.is_markup();
  const Value left = markup ? escape(a) : a;
  const Value right = markup ? escape(b) : b;
  const double size = static_cast<double>(left.as_text().size()) + static_cast<double>(right.as_text().size());
  if (const Budget* budget = Budget::current()) budget->check_characters(size);
  return Value::text(left.as_text() + right.as_text(), markup);
}

Value add_lists(const Value& a, const Value& b) {
  std::vector<Value> items = a.as_list().items;
  items.insert(items.end(), b.as_list().items.begin(), b.as_list().items.end());
  return Value::list(std::move(items), a.as_list().flavor);
}

}  // namespace

Value operate(const std::string& op, const Value& a, const Value& b) {
  if (op == "%" && a.is_text()) return format_percent(a, b);
  if (a.is_undefined()) raise_undefined(a);
  if (b.is_undefined()) raise_undefined(b);
  if (a.is_integral() && b.is_integral()) return integers(op, a.as_int(), b.as_int());
  if (a.is_number() && b.is_number()) return reals(op, a.as_double(), b.as_double());
  if (op == "*" && repeats(a) && b.is_integral()) return repeated(a, b.as_int());
  if (op == "*" && repeats(b) && a.is_integral()) return repeated(b, a.as_int());
  if (op == "+") {
    if (a.is_text() && b.is_text()) return add_texts(a, b);
    for (const Flavor flavor : {Flavor::list, Flavor::tuple}) {
      if (a.is_flavor(flavor) && b.is_flavor(flavor)) return add_lists(a, b);
    }
    if (a.is_text()) {
      throw TemplateError(cat("can only concatenate str (not \"", type_name(b), "\") to str"));
    }
  }
  unsupported(op, a, b);
}

}  // namespace afina::text::jinja
