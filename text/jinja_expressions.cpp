// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cstdlib>

#include "base/cat.h"
#include "text/jinja_parser.h"

namespace afina::text::jinja {

ExpressionParser::Level::Level(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.level_ > parser_.limits_.nesting * 12) {
    --parser_.level_;
    throw LimitError(cat("at most ", parser_.limits_.nesting, " levels of nesting"));
  }
}

bool ExpressionParser::is_op(std::string_view op, size_t ahead) const {
  return token(ahead).kind == TokenKind::op && token(ahead).text == op;
}
bool ExpressionParser::is_name(std::string_view name, size_t ahead) const {
  return token(ahead).kind == TokenKind::name && token(ahead).text == name;
}
bool ExpressionParser::skip_op(std::string_view op) {
  if (!is_op(op)) return false;
  ++at_;
  return true;
}
bool ExpressionParser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  ++at_;
  return true;
}
void ExpressionParser::expect_op(std::string_view op) {
  if (!skip_op(op)) fail(cat("expected token '", op, "', got '", token().text, "'"));
}
void ExpressionParser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail(cat("expected token '", name, "', got '", token().text, "'"));
}
std::string ExpressionParser::expect_any_name() {
  if (token().kind != TokenKind::name) fail(cat("expected a name, got '", token().text, "'"));
  return tokens_[at_++].text;
}
void ExpressionParser::fail(const std::string& what) const {
  throw TemplateError(cat("line ", token().line, ": ", what));
}
void ExpressionParser::unexpected() const {
  fail(cat("unexpected '", token().text, "'"));
}

NodePtr ExpressionParser::make(NodeKind kind) const {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->line = token().line;
  return node;
}
NodePtr ExpressionParser::make(NodeKind kind, NodePtr first, NodePtr second) const {
  NodePtr node = make(kind);
  node->line = first->line;
  node->kids.push_back(std::move(first));
  if (second != nullptr) node->kids.push_back(std::move(second));
  return node;
}
int ExpressionParser::intern(const std::string& name) {
  const auto [found, is_new] = program_.ids.emplace(name, static_cast<int>(program_.names.size()));
  if (is_new) program_.names.push_back(name);
  return found->second;
}
NodePtr ExpressionParser::name_node(const std::string& name, bool is_load) {
  NodePtr node = make(NodeKind::name);
  node->text = name;
  node->id = intern(name);
  for (Node* macro : macros_) {
    if (!is_load) break;
    if (name == "caller") macro->uses_caller = true;
    if (name == "varargs") macro->uses_varargs = true;
    if (name == "kwargs") macro->uses_kwargs = true;
  }
  return node;
}

NodePtr ExpressionParser::expression(bool with_condition) {
  return with_condition ? condition() : logic_or();
}

NodePtr ExpressionParser::condition() {
  const Level level(*this);
  NodePtr value = logic_or();
  while (skip_name("if")) {
    NodePtr node = make(NodeKind::condition, logic_or(), std::move(value));
    if (skip_name("else")) node->kids.push_back(condition());
    value = std::move(node);
  }
  return value;
}

NodePtr ExpressionParser::logic_or() {
  NodePtr left = logic_and();
  while (skip_name("or"))
    left = make(NodeKind::logic_or, std::move(left), logic_and());
  return left;
}

NodePtr ExpressionParser::logic_and() {
  NodePtr left = logic_not();
  while (skip_name("and"))
    left = make(NodeKind::logic_and, std::move(left), logic_not());
  return left;
}

NodePtr ExpressionParser::logic_not() {
  const Level level(*this);
  if (skip_name("not")) return make(NodeKind::negate, logic_not());
  return compare();
}

NodePtr ExpressionParser::compare() {
  NodePtr left = sum();
  NodePtr node;
  for (;;) {
    std::string op;
    if (token().kind == TokenKind::op && (token().text == "==" || token().text == "!=" || token().text == "<" ||
                                          token().text == "<=" || token().text == ">" || token().text == ">=")) {
      op = token().text;
      ++at_;
    } else if (skip_name("in")) {
      op = "in";
    } else if (is_name("not") && is_name("in", 1)) {
      op = "not in";
      at_ += 2;
    } else {
      return node != nullptr ? std::move(node) : std::move(left);
    }
    if (node == nullptr) node = make(NodeKind::compare, std::move(left));
    node->operators.push_back(op);
    node->kids.push_back(sum());
  }
}

NodePtr ExpressionParser::sum() {
  NodePtr left = concat();
  while (is_op("+") || is_op("-")) {
    const std::string op = tokens_[at_++].text;
    left = make(NodeKind::binary, std::move(left), concat());
    left->text = op;
  }
  return left;
}

NodePtr ExpressionParser::concat() {
  NodePtr first = product();
  if (!is_op("~")) return first;
  NodePtr node = make(NodeKind::concat, std::move(first));
  while (skip_op("~"))
    node->kids.push_back(product());
  return node;
}

NodePtr ExpressionParser::product() {
  NodePtr left = power();
  while (is_op("*") || is_op("/") || is_op("//") || is_op("%")) {
    const std::string op = tokens_[at_++].text;
    left = make(NodeKind::binary, std::move(left), power());
    left->text = op;
  }
  return left;
}

NodePtr ExpressionParser::power() {
  NodePtr left = unary();
  while (skip_op("**")) {
    left = make(NodeKind::binary, std::move(left), unary());
    left->text = "**";
  }
  return left;
}

NodePtr ExpressionParser::unary(bool with_filter) {
  const Level level(*this);
  NodePtr node;
  if (skip_op("-")) {
    node = make(NodeKind::minus, unary(false));
  } else if (skip_op("+")) {
    node = make(NodeKind::plus, unary(false));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filter ? filter_chain(std::move(node)) : std::move(node);
}

NodePtr ExpressionParser::constant_name(const std::string& name) const {
  const bool is_true = name == "true" || name == "True";
  if (!is_true && name != "false" && name != "False" && name != "none" && name != "None") return nullptr;
  NodePtr node = make(NodeKind::constant);
  if (name != "none" && name != "None") node->value = Value(is_true);
  return node;
}

NodePtr ExpressionParser::number() const {
  NodePtr node = make(NodeKind::constant);
  const std::string& text = token().text;
  if (token().kind == TokenKind::real) {
    node->value = Value(std::strtod(text.c_str(), nullptr));
    return node;
  }
  const char base_name = text.size() > 1 ? static_cast<char>(text[1] | 0x20) : '0';
  const int base = base_name == 'x' ? 16 : base_name == 'o' ? 8 : base_name == 'b' ? 2 : 10;
  const char* begin = text.data() + (base == 10 ? 0 : 2);
  int64_t value = 0;
  const auto read = std::from_chars(begin, text.data() + text.size(), value, base);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    fail(cat("integers must have 64 bits, but got ", text.substr(0, 40)));
  }
  node->value = Value(value);
  return node;
}

NodePtr ExpressionParser::primary(bool with_namespace) {
  const Token& now = token();
  switch (now.kind) {
    case TokenKind::name: {
      ++at_;
      if (NodePtr constant = constant_name(now.text)) return constant;
      if (with_namespace && skip_op(".")) {
        NodePtr node = make(NodeKind::attribute, name_node(now.text, true));
        node->text = expect_any_name();
        return node;
      }
      return name_node(now.text, true);
    }
    case TokenKind::string: {
      std::string text;
      while (token().kind == TokenKind::string)
        text += tokens_[at_++].text;
      NodePtr node = make(NodeKind::constant);
      node->value = Value::text(py_from_utf8(text));
      return node;
    }
    case TokenKind::integer:
    case TokenKind::real: {
      NodePtr node = number();
      ++at_;
      return node;
    }
    default:
      if (skip_op("(")) {
        NodePtr node = tuple(true, true);
        expect_op(")");
        return node;
      }
      if (is_op("[")) return list();
      if (is_op("{")) return dict();
      unexpected();
  }
}

NodePtr ExpressionParser::list() {
  NodePtr node = make(NodeKind::list);
  expect_op("[");
  while (!is_op("]")) {
    if (!node->kids.empty()) expect_op(",");
    if (is_op("]")) break;
    node->kids.push_back(expression());
  }
  expect_op("]");
  return node;
}

NodePtr ExpressionParser::dict() {
  NodePtr node = make(NodeKind::dict);
  expect_op("{");
  while (!is_op("}")) {
    if (!node->kids.empty()) expect_op(",");
    if (is_op("}")) break;
    node->kids.push_back(expression());
    expect_op(":");
    node->kids.push_back(expression());
  }
  expect_op("}");
  return node;
}

bool ExpressionParser::at_tuple_end(std::string_view end_name) const {
  const TokenKind kind = token().kind;
  return kind == TokenKind::variable_end || kind == TokenKind::block_end || is_op(")") ||
         (!end_name.empty() && is_name(end_name));
}

NodePtr ExpressionParser::tuple(bool with_condition, bool in_parentheses, std::string_view end_name) {
  NodePtr node = make(NodeKind::tuple);
  bool is_tuple = false;
  for (;;) {
    if (!node->kids.empty()) expect_op(",");
    if (at_tuple_end(end_name)) break;
    node->kids.push_back(expression(with_condition));
    if (!is_op(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return node;
  if (!node->kids.empty()) return std::move(node->kids[0]);
  if (!in_parentheses) fail(cat("Expected an expression, got '", token().text, "'"));
  return node;
}

NodePtr ExpressionParser::target(bool with_namespace, std::string_view end_name) {
  NodePtr node = make(NodeKind::tuple);
  bool is_tuple = false;
  for (;;) {
    if (!node->kids.empty()) expect_op(",");
    if (at_tuple_end(end_name)) break;
    node->kids.push_back(primary(with_namespace));
    const NodeKind kind = node->kids.back()->kind;
    if (kind != NodeKind::name && kind != NodeKind::attribute && kind != NodeKind::tuple) {
      fail("can assign to names only");
    }
    if (!is_op(",")) break;
    is_tuple = true;
  }
  if (is_tuple) return node;
  if (node->kids.empty()) fail(cat("Expected an expression, got '", token().text, "'"));
  return std::move(node->kids[0]);
}

NodePtr ExpressionParser::postfix(NodePtr node) {
  for (;;) {
    if (is_op(".") || is_op("[")) {
      node = subscript(std::move(node));
    } else if (is_op("(")) {
      node = make(NodeKind::call, std::move(node));
      node->arguments = call_arguments();
    } else {
      return node;
    }
  }
}

NodePtr ExpressionParser::filter_chain(NodePtr node) {
  for (;;) {
    if (is_op("|")) {
      node = filters(std::move(node), false);
    } else if (is_name("is")) {
      node = test(std::move(node));
    } else if (is_op("(")) {
      node = make(NodeKind::call, std::move(node));
      node->arguments = call_arguments();
    } else {
      return node;
    }
  }
}

NodePtr ExpressionParser::subscript(NodePtr node) {
  if (skip_op(".")) {
    if (token().kind == TokenKind::name) {
      node = make(NodeKind::attribute, std::move(node));
      node->text = tokens_[at_++].text;
      return node;
    }
    if (token().kind != TokenKind::integer) fail("expected name or number");
    NodePtr index = number();
    ++at_;
    return make(NodeKind::item, std::move(node), std::move(index));
  }
  expect_op("[");
  NodePtr index = make(NodeKind::tuple);
  while (!is_op("]")) {
    if (!index->kids.empty()) expect_op(",");
    index->kids.push_back(subscribed());
  }
  expect_op("]");
  if (index->kids.size() == 1) index = std::move(index->kids[0]);
  return make(NodeKind::item, std::move(node), std::move(index));
}

// An index or a slice a:b:c, whose missing parts are null.
NodePtr ExpressionParser::subscribed() {
  NodePtr first;
  if (!is_op(":")) {
    first = expression();
    if (!is_op(":")) return first;
  }
  expect_op(":");
  NodePtr slice = make(NodeKind::slice);
  slice->kids.push_back(std::move(first));
  const auto ends = [&] { return is_op(":") || is_op("]") || is_op(","); };
  slice->kids.push_back(ends() ? nullptr : expression());
  const bool has_step = skip_op(":");
  slice->kids.push_back(!has_step || ends() ? nullptr : expression());
  return slice;
}

std::vector<ArgumentNode> ExpressionParser::call_arguments() {
  const Level level(*this);
  std::vector<ArgumentNode> arguments;
  expect_op("(");
  bool named = false;
  while (!is_op(")")) {
    if (!arguments.empty()) expect_op(",");
    if (is_op(")")) break;
    ArgumentNode argument;
    if (skip_op("*")) {
      argument.stars = 1;
    } else if (skip_op("**")) {
      argument.stars = 2;
    } else if (token().kind == TokenKind::name && is_op("=", 1)) {
      argument.name = token().text;
      at_ += 2;
    } else if (named) {
      fail("invalid syntax for function call expression");
    }
    named = named || argument.stars == 2 || !argument.name.empty();
    argument.value = expression();
    arguments.push_back(std::move(argument));
  }
  expect_op(")");
  return arguments;
}

NodePtr ExpressionParser::filters(NodePtr operand, bool starts_inline) {
  while (starts_inline || skip_op("|")) {
    NodePtr node = make(NodeKind::filter);
    node->kids.push_back(std::move(operand));
    node->text = expect_any_name();
    while (skip_op("."))
      node->text.append(".").append(expect_any_name());
    if (is_op("(")) node->arguments = call_arguments();
    operand = std::move(node);
    starts_inline = false;
  }
  return operand;
}

NodePtr ExpressionParser::test(NodePtr operand) {
  expect_name("is");
  NodePtr node = make(NodeKind::test, std::move(operand));
  node->flag = skip_name("not");
  node->text = expect_any_name();
  while (skip_op("."))
    node->text.append(".").append(expect_any_name());
  const TokenKind kind = token().kind;
  if (is_op("(")) {
    node->arguments = call_arguments();
  } else if ((kind == TokenKind::name || kind == TokenKind::string || kind == TokenKind::integer ||
              kind == TokenKind::real || is_op("[") || is_op("{")) &&
             !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail("You cannot chain multiple tests with is");
    ArgumentNode argument;
    argument.value = postfix(primary());
    node->arguments.push_back(std::move(argument));
  }
  return node;
}

}  // namespace afina::text::jinja
