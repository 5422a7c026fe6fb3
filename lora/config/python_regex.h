// SPDX-License-Identifier: Apache-2.0
// Regular expressions out of files others wrote, as Python's re means them, run by PCRE2 with limits on size, time and
// memory. The few spellings in which the two differ (\Z, {,n}, (?P…)) are translated; what Python would refuse
// (recursion, callouts, \Q, \K, verbs) is refused.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace afina::lora {

/// Immutable; matching is thread-safe.
class PythonRegex {
 public:
  /// Throws UsageError "[lora.config] … must be a regular expression, but …" naming `key`; at most 4,096 characters.
  PythonRegex(std::string_view pattern, const std::string& key);
  ~PythonRegex();
  PythonRegex(PythonRegex&&) noexcept;
  PythonRegex& operator=(PythonRegex&&) noexcept;

  /// re.fullmatch / re.match. Throws UsageError where the match limit is reached (catastrophic backtracking).
  bool full_match(std::string_view text) const;
  bool match(std::string_view text) const;

 private:
  struct State;
  bool run(std::string_view text, bool whole) const;
  std::unique_ptr<State> state_;
};

}  // namespace afina::lora
