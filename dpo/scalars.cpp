// SPDX-License-Identifier: Apache-2.0
#include "dpo/scalars.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace afina::dpo {

double sigmoid(double x) {
  return x >= 0 ? 1.0 / (1.0 + std::exp(-x)) : std::exp(x) / (1.0 + std::exp(x));
}

double log_sigmoid(double x) {
  return x >= 0 ? -std::log1p(std::exp(-x)) : x - std::log1p(std::exp(x));
}

double log1mexp(double x) {
  if (x >= 0) return -std::numeric_limits<double>::infinity();
  return x > -std::numbers::ln2 ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x));
}

double log_sum_exp(std::span<const double> x) {
  const double top = *std::max_element(x.begin(), x.end());
  double sum = 0.0;
  for (const double value : x)
    sum += std::exp(value - top);
  return top + std::log(sum);
}

double relu(double x) {
  return x > 0 ? x : 0.0;
}

}  // namespace afina::dpo
