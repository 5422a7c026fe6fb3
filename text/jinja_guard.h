// SPDX-License-Identifier: Apache-2.0
// Limits woven into a parsed template: nodes of our own, put into the engine's syntax tree without patching it, count
// steps, output, stack and time. Included only by jinja.cpp and jinja_guard.cpp, which may see the engine's headers.
#pragma once
#include <jinja/lexer.h>
#include <jinja/runtime.h>

#include <chrono>
#include <string>

#include "text/jinja.h"

namespace afina::text {

/// Counters of one render; the render sets itself as its thread's current one, which the nodes charge.
class RenderBudget {
 public:
  explicit RenderBudget(const JinjaLimits& limits);
  ~RenderBudget();
  RenderBudget(const RenderBudget&) = delete;
  RenderBudget& operator=(const RenderBudget&) = delete;

  /// Null outside a render.
  static RenderBudget* current();
  void charge_step();
  void charge_output(size_t bytes);
  void check_value(size_t bytes);
  void check_range(double length);
  /// The limit that was met, or "".
  const std::string& met() const { return met_; }

 private:
  [[noreturn]] void meet(const std::string& what);

  JinjaLimits limits_;
  std::chrono::steady_clock::time_point start_;
  const char* stack_base_;
  size_t steps_ = 0;
  size_t output_bytes_ = 0;
  std::string met_;
  RenderBudget* outer_;
};

/// Throws std::runtime_error for a token stream on which the engine's recursive parser could exhaust the stack.
void check_nesting(const std::vector<jinja::token>& tokens, const JinjaLimits& limits);
/// Puts counting nodes around every statement and checked ones in place of operators that grow values.
void weave_guards(jinja::program& program);

}  // namespace afina::text
