// SPDX-License-Identifier: Apache-2.0
// For what becomes true a moment later: by the clock, never by a number of tries.
#pragma once
#include <chrono>

namespace afina::test {

/// while (patience.left() && !true_yet) look again
class Patience {
 public:
  bool left() const { return std::chrono::steady_clock::now() < end_; }

 private:
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + std::chrono::seconds(20);
};

}  // namespace afina::test
