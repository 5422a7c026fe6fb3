// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_parser.h"

#include <algorithm>

#include "base/cat.h"

namespace afina::text::jinja {

namespace {

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Program run() {
    program_.body = statements({});
    return std::move(program_);
  }

 private:
  // Up to a statement named in `ends`, whose name is left to be read; to the end of the template where ends is empty.
  Nodes statements(std::initializer_list<std::string_view> ends) {
    const Level level(*this);
    if (++depth_ > limits_.nesting) throw LimitError(cat("at most ", limits_.nesting, " levels of nesting"));
    Nodes body;
    for (;;) {
      const Token& now = token();
      if (now.kind == TokenKind::end) {
        if (ends.size() > 0) fail(cat("Unexpected end of template; looking for '", *ends.begin(), "'"));
        break;
      }
      ++at_;
      if (now.kind == TokenKind::data) {
        body.push_back(make(NodeKind::data));
        body.back()->value = Value::text(py_from_utf8(now.text));
      } else if (now.kind == TokenKind::variable_begin) {
        body.push_back(make(NodeKind::output, tuple()));
        expect_kind(TokenKind::variable_end);
      } else {
        if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return is_name(end); })) break;
        body.push_back(statement());
        expect_kind(TokenKind::block_end);
      }
    }
    --depth_;
    return body;
  }

  // The body of a statement, its end tag's name read too.
  Nodes body_until(std::string_view end) {
    expect_kind(TokenKind::block_end);
    Nodes body = statements({end});
    ++at_;
    return body;
  }

  void expect_kind(TokenKind kind) {
    if (token().kind != kind) fail(cat("expected the end of the tag, got '", token().text, "'"));
    ++at_;
  }

  NodePtr statement() {
    if (token().kind != TokenKind::name) fail("tag name expected");
    const std::string name = tokens_[at_++].text;
    if (name == "for") return loop();
    if (name == "if") return branch();
    if (name == "set") return assign();
    if (name == "macro") return macro();
    if (name == "call") return call_block();
    if (name == "filter") return filter_block();
    if (name == "with") return with();
    if (name == "generation") return generation();
    if (name == "break") return make(NodeKind::leave_loop);
    if (name == "continue") return make(NodeKind::next_loop);
    if (name == "print") return make(NodeKind::output, tuple());
    if (name == "block") return block();
    if (name == "autoescape") return autoescape();
    if (name == "include" || name == "import" || name == "from" || name == "extends") return unsupported(name);
    fail(cat("Encountered unknown tag '", name, "'"));
  }

  NodePtr loop() {
    NodePtr node = make(NodeKind::loop);
    node->kids.push_back(target(false, "in"));
    expect_name("in");
    node->kids.push_back(tuple(false, false, "recursive"));
    if (skip_name("if")) node->kids.push_back(expression());
    node->flag = skip_name("recursive");
    expect_kind(TokenKind::block_end);
    node->body = statements({"endfor", "else"});
    if (skip_name("else")) {
      expect_kind(TokenKind::block_end);
      node->other = statements({"endfor"});
    }
    expect_name("endfor");
    return node;
  }

  NodePtr branch() {
    const Level level(*this);
    if (++depth_ > limits_.nesting) throw LimitError(cat("at most ", limits_.nesting, " levels of nesting"));
    NodePtr node = make(NodeKind::branch, tuple(false));
    expect_kind(TokenKind::block_end);
    node->body = statements({"elif", "else", "endif"});
    if (skip_name("elif")) {
      node->other.push_back(branch());
    } else {
      if (skip_name("else")) {
        expect_kind(TokenKind::block_end);
        node->other = statements({"endif"});
      }
      expect_name("endif");
    }
    --depth_;
    return node;
  }

  NodePtr assign() {
    NodePtr to = target(true);
    if (skip_op("=")) return make(NodeKind::assign, std::move(to), tuple());
    NodePtr node = make(NodeKind::assign_block, std::move(to));
    node->kids.push_back(filters(nullptr, false));
    node->body = body_until("endset");
    return node;
  }

  // Parameters as arguments: a name, with its default as value where it has one.
  void signature(Node& node) {
    expect_op("(");
    bool has_default = false;
    while (!is_op(")")) {
      if (!node.arguments.empty()) expect_op(",");
      ArgumentNode parameter;
      parameter.name = expect_any_name();
      intern(parameter.name);
      if (skip_op("=")) {
        parameter.value = expression();
        has_default = true;
      } else if (has_default) {
        fail("non-default argument follows default argument");
      }
      node.arguments.push_back(std::move(parameter));
    }
    expect_op(")");
  }

  NodePtr macro() {
    NodePtr node = make(NodeKind::macro);
    node->text = expect_any_name();
    node->id = intern(node->text);
    macros_.push_back(node.get());
    signature(*node);
    node->body = body_until("endmacro");
    macros_.pop_back();
    return node;
  }

  // kids[0]: the macro that is caller; kids[1]: the call.
  NodePtr call_block() {
    NodePtr caller = make(NodeKind::macro);
    caller->text = "caller";
    macros_.push_back(caller.get());
    if (is_op("(")) signature(*caller);
    NodePtr call = expression();
    if (call->kind != NodeKind::call) fail("expected call");
    caller->body = body_until("endcall");
    macros_.pop_back();
    return make(NodeKind::call_block, std::move(caller), std::move(call));
  }

  NodePtr filter_block() {
    NodePtr node = make(NodeKind::filter_block);
    node->kids.push_back(filters(nullptr, true));
    node->body = body_until("endfilter");
    return node;
  }

  NodePtr with() {
    NodePtr node = make(NodeKind::with);
    while (token().kind != TokenKind::block_end) {
      if (!node->kids.empty()) expect_op(",");
      node->kids.push_back(target_one());
      expect_op("=");
      node->kids.push_back(expression());
    }
    node->body = body_until("endwith");
    return node;
  }

  NodePtr target_one() { return name_node(expect_any_name(), false); }

  NodePtr generation() {
    program_.marks_generation = true;
    NodePtr node = make(NodeKind::generation);
    node->body = body_until("endgeneration");
    return node;
  }

  NodePtr block() {
    NodePtr node = make(NodeKind::scope);
    const std::string name = expect_any_name();
    skip_name("scoped");
    skip_name("required");
    expect_kind(TokenKind::block_end);
    node->body = statements({"endblock"});
    ++at_;
    skip_name(name);
    return node;
  }

  NodePtr autoescape() {
    NodePtr node = make(NodeKind::scope);
    expression();
    node->body = body_until("endautoescape");
    return node;
  }

  NodePtr unsupported(const std::string& name) {
    NodePtr node = make(NodeKind::unsupported);
    node->text = name;
    while (token().kind != TokenKind::block_end)
      ++at_;
    return node;
  }

  size_t depth_ = 0;
};

}  // namespace

Program parse(const std::string& source, const JinjaLimits& limits) {
  return Parser(source, limits).run();
}

}  // namespace afina::text::jinja
