// SPDX-License-Identifier: Apache-2.0
// A Jinja template in transformers' dialect behind a small interface: llama.cpp's engine (common/jinja, MIT) with
// limits that a hostile template meets. Knows nothing of chats beyond "messages[i].content is what people wrote".
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace afina::text {

/// Limits of one template and one render. Steps are statements executed; a value is a string or list made by an
/// operator. Not bounded before they run: single filter calls (join, replace, indent) on values within the limits.
struct JinjaLimits {
  size_t source_bytes = size_t{1} << 20;
  size_t block_tokens = 1000;  ///< inside one {{ }} or {% %}
  size_t nesting = 128;        ///< brackets, and statements in statements; `elif` counts as one level
  size_t steps = 2'000'000;
  size_t output_bytes = size_t{64} << 20;
  size_t value_bytes = size_t{64} << 20;
  size_t range_length = 100'000;
  size_t stack_bytes = size_t{2} << 20;  ///< recursion of macros
  double seconds = 10;
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

  /// variables: an object; in its "messages", string values under "content" are marked as from people. Throws DataError
  /// where the template raises an exception, fails or meets a limit. Any thread.
  Rendered render(const OrderedJson& variables, const Clock& strftime_now) const;
  /// The template has {% generation %} blocks.
  bool marks_generation() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace afina::text
