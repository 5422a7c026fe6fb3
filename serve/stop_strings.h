// SPDX-License-Identifier: Apache-2.0
// Cuts streamed text at the first of several stop strings, holding back only what may still become one.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace afina::serve {

/// Not thread-safe. Text goes in and comes out in pieces; whole UTF-8 characters in give whole characters out.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);
  /// The text that is safe to show now. After a match nothing more comes out.
  std::string push(std::string_view text);
  /// What was held back, at the end of the text.
  std::string flush();
  bool matched() const { return matched_; }

 private:
  size_t held_back() const;

  std::vector<std::string> stops_;
  std::string pending_;
  bool matched_ = false;
};

}  // namespace afina::serve
