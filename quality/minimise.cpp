// SPDX-License-Identifier: Apache-2.0
#include "quality/minimise.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace afina::quality {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += a[i] * b[i];
  return sum;
}

struct Correction {
  std::vector<double> step, change;
  double scale;  // 1 / step·change
};

// −H·gradient by the two-loop recursion.
std::vector<double> direction(const std::deque<Correction>& memory, const std::vector<double>& gradient) {
  std::vector<double> q = gradient, alpha(memory.size());
  for (size_t i = memory.size(); i-- > 0;) {
    alpha[i] = memory[i].scale * dot(memory[i].step, q);
    for (size_t j = 0; j < q.size(); ++j)
      q[j] -= alpha[i] * memory[i].change[j];
  }
  if (!memory.empty()) {
    const auto& last = memory.back();
    const double scale = 1 / (last.scale * dot(last.change, last.change));
    for (double& value : q)
      value *= scale;
  }
  for (size_t i = 0; i < memory.size(); ++i) {
    const double beta = memory[i].scale * dot(memory[i].change, q);
    for (size_t j = 0; j < q.size(); ++j)
      q[j] += (alpha[i] - beta) * memory[i].step[j];
  }
  for (double& value : q)
    value = -value;
  return q;
}

}  // namespace

Minimum minimise(const Objective& objective, std::vector<double> start, int max_iterations, double tolerance) {
  constexpr size_t kMemory = 10;
  Minimum out;
  out.at = std::move(start);
  std::vector<double> gradient(out.at.size()), next_gradient(out.at.size()), next(out.at.size());
  out.value = objective(out.at, gradient);
  std::deque<Correction> memory;
  for (; out.iterations < max_iterations; ++out.iterations) {
    double largest = 0;
    for (const double g : gradient)
      largest = std::max(largest, std::fabs(g));
    if (largest <= tolerance * (1 + std::fabs(out.value))) {
      out.converged = true;
      break;
    }
    std::vector<double> along = direction(memory, gradient);
    double slope = dot(along, gradient);
    if (!(slope < 0)) {  // not a descent: forget the curvature
      memory.clear();
      along = direction(memory, gradient);
      slope = dot(along, gradient);
    }
    double length = memory.empty() ? std::min(1.0, 1 / std::sqrt(dot(gradient, gradient))) : 1.0, value = INFINITY;
    for (; length > 1e-14; length /= 2) {
      for (size_t i = 0; i < next.size(); ++i)
        next[i] = out.at[i] + length * along[i];
      value = objective(next, next_gradient);
      if (value <= out.value + 1e-4 * length * slope) break;
    }
    if (!(value < out.value)) {  // no better point in double precision
      if (memory.empty()) break;
      memory.clear();
      continue;
    }
    Correction correction{next, next_gradient, 0};
    for (size_t i = 0; i < next.size(); ++i) {
      correction.step[i] -= out.at[i];
      correction.change[i] -= gradient[i];
    }
    const double curvature = dot(correction.step, correction.change);
    if (curvature > 1e-300) {
      correction.scale = 1 / curvature;
      memory.push_back(std::move(correction));
      if (memory.size() > kMemory) memory.pop_front();
    }
    out.at = next;
    gradient = next_gradient;
    out.value = value;
  }
  return out;
}

}  // namespace afina::quality
