// SPDX-License-Identifier: Apache-2.0
// jinja2's grammar as a recursive parser over tokens: expressions here, statements in the derived class. Private to
// jinja_parser.cpp and jinja_expressions.cpp.
#pragma once
#include <initializer_list>
#include <string>
#include <vector>

#include "text/jinja_syntax.h"

namespace afina::text::jinja {

class ExpressionParser {
 public:
  ExpressionParser(const std::string& source, const JinjaLimits& limits)
      : tokens_(tokenize(source, limits)), limits_(limits) {}

 protected:
  /// Counts one level of recursion; throws LimitError above the limit.
  class Level {
   public:
    explicit Level(ExpressionParser& parser);
    ~Level() { --parser_.level_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    ExpressionParser& parser_;
  };

  const Token& token(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool is_op(std::string_view op, size_t ahead = 0) const;
  bool is_name(std::string_view name, size_t ahead = 0) const;
  bool skip_op(std::string_view op);
  bool skip_name(std::string_view name);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  std::string expect_any_name();
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void unexpected() const;

  NodePtr make(NodeKind kind) const;
  NodePtr make(NodeKind kind, NodePtr first, NodePtr second = nullptr) const;
  int intern(const std::string& name);
  NodePtr name_node(const std::string& name, bool is_load);

  NodePtr expression(bool with_condition = true);
  /// One expression, or a tuple where commas follow. end_name: a name that ends it ("in", "recursive").
  NodePtr tuple(bool with_condition = true, bool in_parentheses = false, std::string_view end_name = "");
  /// A name, a namespace's attribute or a tuple of such.
  NodePtr target(bool with_namespace, std::string_view end_name = "");
  NodePtr filters(NodePtr operand, bool starts_inline);
  std::vector<ArgumentNode> call_arguments();

  std::vector<Token> tokens_;
  size_t at_ = 0;
  const JinjaLimits& limits_;
  size_t level_ = 0;
  Program program_;
  std::vector<Node*> macros_;  ///< being parsed; learn whether their bodies use caller, varargs, kwargs

 private:
  NodePtr condition();
  NodePtr logic_or();
  NodePtr logic_and();
  NodePtr logic_not();
  NodePtr compare();
  NodePtr sum();
  NodePtr concat();
  NodePtr product();
  NodePtr power();
  NodePtr unary(bool with_filter = true);
  NodePtr primary(bool with_namespace = false);
  NodePtr constant_name(const std::string& name) const;
  NodePtr number() const;
  NodePtr list();
  NodePtr dict();
  NodePtr postfix(NodePtr node);
  NodePtr subscript(NodePtr node);
  NodePtr subscribed();
  NodePtr filter_chain(NodePtr node);
  NodePtr test(NodePtr node);
  bool at_tuple_end(std::string_view end_name) const;
};

}  // namespace afina::text::jinja
