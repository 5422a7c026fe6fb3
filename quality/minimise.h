// SPDX-License-Identifier: Apache-2.0
// L-BFGS with a backtracking line search (Nocedal and Wright 2006, algorithms 7.4 and 3.1) for smooth functions of a
// few thousand variables.
#pragma once
#include <functional>
#include <vector>

namespace afina::quality {

/// Value at x; writes the gradient, of x's size.
using Objective = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

struct Minimum {
  std::vector<double> at;
  double value = 0.0;
  int iterations = 0;
  bool converged = false;  ///< max |gradient| ≤ tolerance · (1 + |value|)
};
Minimum minimise(const Objective& objective, std::vector<double> start, int max_iterations, double tolerance);

}  // namespace afina::quality
