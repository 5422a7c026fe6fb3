// SPDX-License-Identifier: Apache-2.0
#include "dpo/f_divergence.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "dpo/scalars.h"

namespace afina::dpo {
namespace {

constexpr double kLargestExponent = 80.0;

/// (e^(cx) − 1) / c.
Derived power_score(double c, double x) {
  const double exponent = std::min(c * x, kLargestExponent);
  return {std::expm1(exponent) / c, c * x <= kLargestExponent ? std::exp(exponent) : 0.0};
}

}  // namespace

Derived divergence_score(Divergence divergence, double alpha, double x) {
  switch (divergence) {
    case Divergence::forward_kl:
      return power_score(-1.0, x);
    case Divergence::js_divergence:
      return {std::numbers::ln2 + log_sigmoid(x), sigmoid(-x)};
    case Divergence::alpha_divergence:
      if (std::abs(alpha - 1.0) >= 1e-6) return power_score(alpha - 1.0, x);
      break;
    case Divergence::reverse_kl:
      break;
  }
  return {x, 1.0};
}

}  // namespace afina::dpo
