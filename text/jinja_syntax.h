// SPDX-License-Identifier: Apache-2.0
// Tokens and syntax tree of a template, as jinja2's lexer and parser make them with trim_blocks and lstrip_blocks.
#pragma once
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja_value.h"

namespace afina::text::jinja {

enum class TokenKind {
  data,
  name,
  string,
  integer,
  real,
  op,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  end
};

struct Token {
  TokenKind kind;
  std::string text;  ///< data, name, operator, digits; a string's value in UTF-8
  int line;
};

/// Throws TemplateError, or LimitError for too many tokens in a block.
std::vector<Token> tokenize(const std::string& source, const JinjaLimits& limits);

enum class NodeKind : uint8_t {
  // expressions
  constant,
  name,
  tuple,
  list,
  dict,
  attribute,
  item,
  slice,
  call,
  filter,
  test,
  negate,
  minus,
  plus,
  logic_and,
  logic_or,
  compare,
  binary,
  concat,
  condition,
  // statements
  data,
  output,
  loop,
  branch,
  assign,
  assign_block,
  macro,
  call_block,
  filter_block,
  with,
  scope,
  generation,
  leave_loop,
  next_loop,
  unsupported,
};

struct Node;
using NodePtr = std::unique_ptr<Node>;
using Nodes = std::vector<NodePtr>;

/// A call's argument: *values (stars 1), **named (stars 2), name=value, or a value.
struct ArgumentNode {
  std::string name;
  int stars = 0;
  NodePtr value;
};

/// One kind of node for all; which members are used depends on the kind (jinja_parser.cpp makes them).
struct Node {
  NodeKind kind;
  int line = 0;
  int id = -1;       ///< interned name
  std::string text;  ///< attribute, filter, test, operator
  Value value;       ///< constant, data
  Nodes kids;
  Nodes body;
  Nodes other;  ///< else
  std::vector<ArgumentNode> arguments;
  std::vector<std::string> operators;  ///< compare: one a further kid
  bool flag = false;                   ///< test: negated; loop: recursive
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct Program {
  Nodes body;
  std::vector<std::string> names;  ///< by id
  std::unordered_map<std::string, int> ids;
  bool marks_generation = false;
};

/// Throws TemplateError or LimitError.
Program parse(const std::string& source, const JinjaLimits& limits);

}  // namespace afina::text::jinja
