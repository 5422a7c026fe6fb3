// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_guard.h"

#include <cmath>
#include <cstdlib>

#include "base/cat.h"

namespace afina::text {

namespace {

using jinja::statement_ptr;
using jinja::statements;

// The engine shares one syntax tree between threads and hands nodes nothing but its own context, so the budget of the
// render in progress is found through its thread.
thread_local RenderBudget* current_budget = nullptr;

size_t size_of(const jinja::value& value) {
  if (jinja::is_val<jinja::value_string>(value)) return value->val_str.length() + value->val_str.parts.size() * 32;
  if (jinja::is_val<jinja::value_array>(value)) return value->as_array().size() * 64;
  return 0;
}

class GuardedStatement : public jinja::statement {
 public:
  GuardedStatement(statement_ptr inner, bool is_output) : inner_(std::move(inner)), is_output_(is_output) {
    pos = inner_->pos;
  }
  std::string type() const override { return inner_->type(); }
  jinja::value execute_impl(jinja::context& context) const override {
    RenderBudget* budget = RenderBudget::current();
    if (budget == nullptr) return inner_->execute(context);
    budget->charge_step();
    jinja::value result = inner_->execute(context);
    if (is_output_) budget->charge_output(size_of(result));
    return result;
  }

 private:
  statement_ptr inner_;
  bool is_output_;
};

// a + b, a ~ b: the result is checked, so doubling a variable meets the limit after a few steps.
class CheckedExpression : public jinja::expression {
 public:
  explicit CheckedExpression(statement_ptr inner) : inner_(std::move(inner)) { pos = inner_->pos; }
  std::string type() const override { return inner_->type(); }
  jinja::value execute_impl(jinja::context& context) const override {
    jinja::value result = inner_->execute(context);
    if (RenderBudget* budget = RenderBudget::current()) budget->check_value(size_of(result));
    return result;
  }

 private:
  statement_ptr inner_;
};

// Holds a value that was computed already, so that the engine's own operator can be asked without computing it twice.
class ValueHolder : public jinja::expression {
 public:
  explicit ValueHolder(jinja::value value) : value_(std::move(value)) { pos = 0; }
  jinja::value execute_impl(jinja::context&) const override { return value_; }

 private:
  jinja::value value_;
};

// a * b: 'x' * 1000000000 is refused before it is made.
class CheckedProduct : public jinja::expression {
 public:
  CheckedProduct(jinja::token op, statement_ptr left, statement_ptr right, size_t position)
      : op_(std::move(op)), left_(std::move(left)), right_(std::move(right)) {
    pos = position;
  }
  std::string type() const override { return "BinaryExpression"; }
  jinja::value execute_impl(jinja::context& context) const override {
    const jinja::value left = left_->execute(context);
    const jinja::value right = right_->execute(context);
    check(left, right);
    check(right, left);
    jinja::binary_expression product(op_, std::make_unique<ValueHolder>(left), std::make_unique<ValueHolder>(right));
    product.pos = pos;
    return product.execute(context);
  }

 private:
  static void check(const jinja::value& repeated, const jinja::value& times) {
    if (!jinja::is_val<jinja::value_string>(repeated) || !jinja::is_val<jinja::value_int>(times)) return;
    RenderBudget* budget = RenderBudget::current();
    const double bytes = static_cast<double>(size_of(repeated)) * static_cast<double>(times->as_int());
    if (budget != nullptr && bytes > 0) budget->check_value(bytes > 1e18 ? SIZE_MAX : static_cast<size_t>(bytes));
  }

  jinja::token op_;
  statement_ptr left_;
  statement_ptr right_;
};

// {% set x %}…{% endset %}, which has no "=", rather than {% set x = … %}.
bool is_block_set(const std::vector<jinja::token>& tokens, size_t open) {
  for (size_t i = open; i < tokens.size() && tokens[i].t != jinja::token::close_statement; ++i) {
    if (tokens[i].t == jinja::token::equals) return false;
  }
  return true;
}

void weave(statement_ptr& slot);

void weave_all(statements& list) {
  for (auto& item : list)
    weave(item);
}

// A list of statements whose results are joined to output.
void weave_body(statements& body) {
  for (auto& item : body) {
    weave(item);
    const bool is_output = dynamic_cast<jinja::expression*>(item.get()) != nullptr;
    item = std::make_unique<GuardedStatement>(std::move(item), is_output);
  }
}

template <typename Node, typename... Members>
bool weave_members(jinja::statement& node, Members... members) {
  auto* typed = dynamic_cast<Node*>(&node);
  if (typed == nullptr) return false;
  const auto one = [&](auto& member) {
    if constexpr (std::is_same_v<std::decay_t<decltype(member)>, statement_ptr>) {
      weave(member);
    } else {
      weave_all(member);
    }
  };
  (one(typed->*members), ...);
  return true;
}

bool weave_statement(jinja::statement& node) {
  if (auto* n = dynamic_cast<jinja::if_statement*>(&node)) {
    weave(n->test);
    weave_body(n->body);
    weave_body(n->alternate);
  } else if (auto* n = dynamic_cast<jinja::for_statement*>(&node)) {
    weave(n->iterable);
    weave_body(n->body);
    weave_body(n->default_block);
  } else if (auto* n = dynamic_cast<jinja::set_statement*>(&node)) {
    weave(n->val);
    weave_body(n->body);
  } else if (auto* n = dynamic_cast<jinja::macro_statement*>(&node)) {
    weave_all(n->args);
    weave_body(n->body);
  } else if (auto* n = dynamic_cast<jinja::call_statement*>(&node)) {
    weave(n->call);
    weave_all(n->caller_args);
    weave_body(n->body);
  } else if (auto* n = dynamic_cast<jinja::filter_statement*>(&node)) {
    weave(n->filter);
    weave_body(n->body);
  } else {
    return false;
  }
  return true;
}

void weave_expression(jinja::statement& node) {
  using namespace jinja;
  if (auto* n = dynamic_cast<object_literal*>(&node)) {
    for (auto& [key, value] : n->val) {
      weave(key);
      weave(value);
    }
    return;
  }
  (void)(weave_members<binary_expression>(node, &binary_expression::left, &binary_expression::right) ||
         weave_members<member_expression>(node, &member_expression::object, &member_expression::property) ||
         weave_members<call_expression>(node, &call_expression::callee, &call_expression::args) ||
         weave_members<filter_expression>(node, &filter_expression::operand, &filter_expression::filter) ||
         weave_members<select_expression>(node, &select_expression::lhs, &select_expression::test) ||
         weave_members<test_expression>(node, &test_expression::operand, &test_expression::test) ||
         weave_members<unary_expression>(node, &unary_expression::argument) ||
         weave_members<array_literal>(node, &array_literal::val) ||
         weave_members<tuple_literal>(node, &tuple_literal::val) ||
         weave_members<slice_expression>(node, &slice_expression::start_expr, &slice_expression::stop_expr,
                                         &slice_expression::step_expr) ||
         weave_members<keyword_argument_expression>(node, &keyword_argument_expression::val) ||
         weave_members<spread_expression>(node, &spread_expression::argument) ||
         weave_members<ternary_expression>(node, &ternary_expression::condition, &ternary_expression::true_expr,
                                           &ternary_expression::false_expr));
}

void weave(statement_ptr& slot) {
  if (slot == nullptr || weave_statement(*slot)) return;
  weave_expression(*slot);
  auto* binary = dynamic_cast<jinja::binary_expression*>(slot.get());
  if (binary == nullptr) return;
  if (binary->op.value == "*") {
    slot = std::make_unique<CheckedProduct>(binary->op, std::move(binary->left), std::move(binary->right), binary->pos);
  } else if (binary->op.value == "+" || binary->op.value == "~") {
    slot = std::make_unique<CheckedExpression>(std::move(slot));
  }
}

}  // namespace

RenderBudget::RenderBudget(const JinjaLimits& limits)
    : limits_(limits),
      start_(std::chrono::steady_clock::now()),
      stack_base_(static_cast<const char*>(__builtin_frame_address(0))),
      outer_(current_budget) {
  current_budget = this;
}

RenderBudget::~RenderBudget() {
  current_budget = outer_;
}

RenderBudget* RenderBudget::current() {
  return current_budget;
}

void RenderBudget::meet(const std::string& what) {
  met_ = what;
  throw jinja::rethrown_exception(what);  // the one type that the engine passes on without wrapping
}

void RenderBudget::charge_step() {
  if (++steps_ > limits_.steps) meet(cat("at most ", limits_.steps, " steps"));
  const auto depth = std::abs(stack_base_ - static_cast<const char*>(__builtin_frame_address(0)));
  if (static_cast<size_t>(depth) > limits_.stack_bytes)
    meet(cat("macros at most ", limits_.stack_bytes, " bytes deep"));
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
  if (spent.count() > limits_.seconds) meet(cat("at most ", limits_.seconds, " s"));
}

void RenderBudget::charge_output(size_t bytes) {
  output_bytes_ += bytes;
  // A macro's output is counted where it is made and where it is used, so twice the limit is still legitimate.
  if (output_bytes_ > limits_.output_bytes * 4) meet(cat("at most ", limits_.output_bytes, " bytes of output"));
}

void RenderBudget::check_value(size_t bytes) {
  if (bytes > limits_.value_bytes) meet(cat("values of at most ", limits_.value_bytes, " bytes"));
}

void RenderBudget::check_range(double length) {
  if (length > static_cast<double>(limits_.range_length)) meet(cat("ranges of at most ", limits_.range_length));
}

void check_nesting(const std::vector<jinja::token>& tokens, const JinjaLimits& limits) {
  using Type = jinja::token;
  size_t brackets = 0;
  size_t in_block = 0;
  std::vector<size_t> statement_levels;  // of each open statement, its own level and one for every elif
  size_t level = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto type = tokens[i].t;
    ++in_block;
    if (type == Type::open_statement || type == Type::open_expression || type == Type::text) in_block = brackets = 0;
    if (type == Type::open_paren || type == Type::open_square_bracket || type == Type::open_curly_bracket) ++brackets;
    const bool closes =
        type == Type::close_paren || type == Type::close_square_bracket || type == Type::close_curly_bracket;
    if (closes && brackets > 0) --brackets;
    if (type == Type::open_statement && i + 1 < tokens.size()) {
      const std::string& name = tokens[i + 1].value;
      if (name.rfind("end", 0) == 0 && !statement_levels.empty()) {
        level -= statement_levels.back();
        statement_levels.pop_back();
      } else if (name == "elif" && !statement_levels.empty()) {
        ++statement_levels.back();
        ++level;
      } else if (name == "if" || name == "for" || name == "macro" || name == "call" || name == "filter" ||
                 (name == "set" && is_block_set(tokens, i))) {
        statement_levels.push_back(1);
        ++level;
      }
    }
    if (brackets > limits.nesting || level > limits.nesting) {
      throw std::runtime_error(cat("must nest at most ", limits.nesting, " levels deep"));
    }
    if (in_block > limits.block_tokens) {
      throw std::runtime_error(cat("must have at most ", limits.block_tokens, " tokens in one block"));
    }
  }
}

void weave_guards(jinja::program& program) {
  weave_body(program.body);
}

}  // namespace afina::text
