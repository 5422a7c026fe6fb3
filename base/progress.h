// SPDX-License-Identifier: Apache-2.0
// One progress line on stderr: rewritten in place on a terminal, a plain line every few seconds elsewhere.
#pragma once
#include <chrono>
#include <string>

namespace afina {

/// Not thread-safe; one object a task. The destructor ends the line.
class Progress {
 public:
  /// total <= 0: unknown, so no time left is shown. unit: "tokens", "pairs", … in the plural.
  Progress(std::string title, double total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// done counts from the start; extra is shown as it is, such as "loss 0.61".
  void update(double done, const std::string& extra = "");

 private:
  std::string title_, unit_;
  double total_;
  bool terminal_, line_open_ = false;
  std::chrono::steady_clock::time_point start_, shown_;
};

}  // namespace afina
