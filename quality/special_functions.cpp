// SPDX-License-Identifier: Apache-2.0
#include "quality/special_functions.h"

#include <cmath>
#include <initializer_list>

namespace afina::quality {
namespace {

double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  if (std::fabs(d) < kTiny) d = kTiny;
  d = 1 / d;
  double h = d;
  for (int m = 1; m <= 100'000; ++m) {
    const double twice = 2.0 * m;
    for (const double term : {m * (b - m) * x / ((a + twice - 1) * (a + twice)),
                              -(a + m) * (a + b + m) * x / ((a + twice) * (a + twice + 1))}) {
      d = 1 + term * d;
      if (std::fabs(d) < kTiny) d = kTiny;
      c = 1 + term / c;
      if (std::fabs(c) < kTiny) c = kTiny;
      d = 1 / d;
      h *= d * c;
      if (std::fabs(d * c - 1) < 1e-15) return h;
    }
  }
  return h;
}

}  // namespace

double log_gamma(double x) {
  double shift = 0;
  while (x < 10) {
    shift += std::log(x);
    x += 1;
  }
  const double r = 1 / (x * x);
  const double series =
      (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r * (1.0 / 1188 - r * 691.0 / 360360))))) / x;
  return (x - 0.5) * std::log(x) - x + 0.91893853320467274178 + series - shift;
}

double digamma(double x) {
  double shift = 0;
  while (x < 10) {
    shift += 1 / x;
    x += 1;
  }
  const double r = 1 / (x * x);
  const double series = r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240 - r * (1.0 / 132)))));
  return std::log(x) - 0.5 / x - series - shift;
}

double beta_cdf(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double beta_quantile(double a, double b, double p) {
  double low = 0, high = 1;
  while (high - low > 1e-12) {
    const double middle = (low + high) / 2;
    (beta_cdf(a, b, middle) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

double binomial_tail(double n, double k, double p) {
  if (k <= 0) return 1;
  if (k > n) return 0;
  return beta_cdf(k, n - k + 1, p);
}

double normal_two_sided(double z) {
  return std::erfc(std::fabs(z) / std::sqrt(2.0));
}

double normal_quantile_two_sided(double confidence) {
  double low = 0, high = 40;
  while (high - low > 1e-13) {
    const double middle = (low + high) / 2;
    (normal_two_sided(middle) > 1 - confidence ? low : high) = middle;
  }
  return (low + high) / 2;
}

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

double log_sigmoid(double x) {
  return x >= 0 ? -std::log1p(std::exp(-x)) : x - std::log1p(std::exp(x));
}

}  // namespace afina::quality
