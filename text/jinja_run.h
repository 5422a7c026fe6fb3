// SPDX-License-Identifier: Apache-2.0
// One render: walks the syntax tree with jinja2's scopes. Scopes: `for`, macros, blocks and `with` open one, `if` does
// not; an iteration starts afresh; macros see the variables of the place that defines them as they are when called.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja_syntax.h"
#include "text/jinja_value.h"

namespace afina::text::jinja {

struct Scope {
  explicit Scope(std::shared_ptr<Scope> outer) : parent(std::move(outer)) {}
  std::vector<std::pair<int, Value>> values;
  std::shared_ptr<Scope> parent;
  bool is_kept = false;  ///< known to the interpreter, which takes it apart at the end
};

/// Output under way, charged to the budget.
class Output {
 public:
  Output() = default;
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  void append(const PyText& text);
  PyText take();
  PyText text;

 private:
  size_t held_ = 0;
};

enum class Flow { next, leave_loop, next_loop };

class Interpreter {
 public:
  explicit Interpreter(const Program& program) : program_(program), root_(std::make_shared<Scope>(nullptr)) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  /// A variable of the whole template.
  void set_global(const std::string& name, Value value);
  PyText run();

  Value evaluate(const Node& node, const std::shared_ptr<Scope>& scope);
  Flow execute(const Nodes& body, const std::shared_ptr<Scope>& scope, Output& out);

  Value call(const Value& callee, const Arguments& arguments);
  /// object.name and object[key], as jinja2's sandbox resolves them; undefined where there is nothing.
  Value attribute(const Value& object, const std::string& name);
  Value item(const Value& object, const Value& key);
  Value filter(const std::string& name, const Value& value, const Arguments& arguments);
  bool test(const std::string& name, const Value& value, const Arguments& arguments);

  /// Objects that templates can tie into knots are known here and taken apart when the render ends.
  void keep(const std::shared_ptr<Scope>& scope);
  void keep(const std::shared_ptr<Namespace>& names);
  void assign(const Node& target, Value value, const std::shared_ptr<Scope>& scope);
  int id_of(const std::string& name) const;
  /// The body of a for loop over items; also called by loop(...) in recursive ones.
  Flow run_loop(const Node& node, const Value& iterable, const std::shared_ptr<Scope>& scope, Output& out, int depth);

 private:
  Flow execute_one(const Node& node, const std::shared_ptr<Scope>& scope, Output& out);
  Value name(const Node& node, const std::shared_ptr<Scope>& scope);
  Value slice(const Value& object, const Node& node, const std::shared_ptr<Scope>& scope);
  bool compare_chain(const Node& node, const std::shared_ptr<Scope>& scope);
  Value concat(const Node& node, const std::shared_ptr<Scope>& scope);
  Value dict(const Node& node, const std::shared_ptr<Scope>& scope);
  Value macro(const Node& node, const std::shared_ptr<Scope>& scope);
  Arguments arguments(const std::vector<ArgumentNode>& nodes, const std::shared_ptr<Scope>& scope);
  /// A chain of filters whose innermost operand is missing, on `value`.
  Value filters_on(const Node& node, Value value, const std::shared_ptr<Scope>& scope);
  Value body_text(const Nodes& body, const std::shared_ptr<Scope>& scope);

  const Program& program_;
  std::shared_ptr<Scope> root_;
  std::vector<std::pair<std::string, Value>> globals_;
  std::vector<std::shared_ptr<Scope>> scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

/// Arguments by place or name, as Python binds them. Throws TemplateError for too many or unknown ones.
class Parameters {
 public:
  Parameters(const std::string& function, const Arguments& arguments, std::initializer_list<const char*> names);
  bool has(size_t i) const { return values_[i].has_value(); }
  /// Throws TemplateError where it is missing.
  const Value& at(size_t i) const;
  Value or_else(size_t i, Value other) const {
    if (has(i)) return *values_[i];
    return other;
  }
  bool flag(size_t i, bool other) const { return has(i) ? truthy(*values_[i]) : other; }
  int64_t integer(size_t i, int64_t other) const;

 private:
  std::string function_;
  std::vector<std::string> names_;
  std::vector<std::optional<Value>> values_;
};

/// a op b for + - * / // % **.
Value operate(const std::string& op, const Value& a, const Value& b);
/// text % values.
Value format_percent(const Value& format, const Value& values);
/// text.format(...).
Value format_braces(Interpreter& run, const Value& format, const Arguments& arguments);
/// A method of str, dict or list, bound; none where there is no such method.
std::optional<Value> method(const Value& object, const std::string& name);
/// &lt; and so on, as Markup.
Value escape(const Value& value);
/// Throws what using an undefined value raises.
[[noreturn]] void raise_undefined(const Value& value);
/// Python's int for indexes and counts; throws TemplateError.
int64_t need_int(const Value& value, const std::string& what);

using FilterBody = Value (*)(Interpreter&, const Value&, const Arguments&);
using TestBody = bool (*)(Interpreter&, const Value&, const Arguments&);
/// Null where there is none.
FilterBody find_filter(const std::string& name);
TestBody find_test(const std::string& name);
/// range, dict, namespace, cycler, joiner, raise_exception; none where there is none.
std::optional<Value> find_global(const std::string& name);

}  // namespace afina::text::jinja
