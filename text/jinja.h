// SPDX-License-Identifier: Apache-2.0
// A Jinja template as transformers sets jinja2 up: an immutable sandbox with trim_blocks and lstrip_blocks, loop
// controls,
// {% generation %}, tojson as json.dumps, raise_exception and strftime_now. Our own interpreter, equal to jinja2 3.1
// render for render (docs/decisions.md), with limits that a hostile template meets, and with the text that people wrote
// marked through every operation. Not here: includes, imports and inheritance, which transformers gives no loader.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace afina::text {

/// Limits of one template and one render. A step is a node evaluated, or as much work on characters or items.
struct JinjaLimits {
  size_t source_bytes = size_t{1} << 20;
  size_t block_tokens = 4000;  ///< inside one {{ }} or {% %}
  size_t nesting = 128;        ///< brackets and operators, and statements in statements; `elif` counts as one level
  size_t steps = 4'000'000;
  size_t value_characters = size_t{4} << 20;  ///< of one text
  size_t value_items = size_t{1} << 20;       ///< of one list
  size_t held_bytes = size_t{64} << 20;       ///< values alive at one time; a character takes 4
  size_t range_length = 100'000;              ///< as jinja2's sandbox
  size_t stack_bytes = size_t{2} << 20;       ///< recursion of macros and values
  double seconds = 10;                        ///< wall clock, behind the steps
};

class JinjaTemplate {
 public:
  struct Rendered {
    std::string text;
    std::vector<TextRange> from_people;
    std::vector<TextRange> generation;
  };
  /// strftime_now of the template: format to text.
  using Clock = std::function<std::string(const std::string& format)>;

  /// Throws ModelError for a syntax error or a template above the limits.
  explicit JinjaTemplate(const std::string& source, const JinjaLimits& limits = {});
  ~JinjaTemplate();
  JinjaTemplate(JinjaTemplate&&) noexcept;
  JinjaTemplate& operator=(JinjaTemplate&&) noexcept;

  /// variables: an object; all strings of its "messages" (but roles), "tools" and "documents" are marked as from
  /// people. Throws DataError where the template raises an exception, fails or meets a limit. Any thread.
  Rendered render(const OrderedJson& variables, const Clock& strftime_now) const;
  /// The template has {% generation %} blocks.
  bool marks_generation() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace afina::text
