// SPDX-License-Identifier: Apache-2.0
#include "quality/draws.h"

#include <algorithm>
#include <cmath>

#include "quality/special_functions.h"

namespace afina::quality {

uint64_t Draws::below(uint64_t n) {
  const uint64_t rest = (UINT64_MAX % n + 1) % n;  // 2^64 mod n
  uint64_t draw = engine_();
  while (draw > UINT64_MAX - rest)
    draw = engine_();
  return draw % n;
}

double Draws::normal() {
  for (;;) {
    const double u = 2 * unit() - 1, v = 2 * unit() - 1, s = u * u + v * v;
    if (s > 0 && s < 1) return u * std::sqrt(-2 * std::log(s) / s);
  }
}

int64_t Draws::binomial(int64_t n, double p) {
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(n, 1 - p);
  return static_cast<double>(n) * p < 10 ? binomial_by_inversion(n, p) : binomial_by_rejection(n, p);
}

int64_t Draws::binomial_by_inversion(int64_t n, double p) {
  // Gaps between successes are geometric: sums of log(u)/log(1−p) until they pass n (Devroye 1986, X.4.2).
  const double log_failure = std::log1p(-p);
  int64_t successes = 0;
  double position = 0;
  for (;;) {
    position += std::floor(std::log(1 - unit()) / log_failure) + 1;
    if (position > static_cast<double>(n)) return successes;
    ++successes;
  }
}

int64_t Draws::binomial_by_rejection(int64_t n, double p) {
  const double trials = static_cast<double>(n), odds = p / (1 - p), deviation = std::sqrt(trials * p * (1 - p));
  const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p, c = trials * p + 0.5;
  const double alpha = (2.83 + 5.1 / b) * deviation, vr = 0.92 - 4.2 / b;
  const double mode = std::floor((trials + 1) * p);
  const double at_mode = log_gamma(mode + 1) + log_gamma(trials - mode + 1);
  for (;;) {
    const double u = unit() - 0.5;
    double v = unit();
    const double us = 0.5 - std::fabs(u), k = std::floor((2 * a / us + b) * u + c);
    if (k < 0 || k > trials) continue;
    if (us >= 0.07 && v <= vr) return static_cast<int64_t>(k);
    v = std::log(v * alpha / (a / (us * us) + b));
    if (v <= at_mode - log_gamma(k + 1) - log_gamma(trials - k + 1) + (k - mode) * std::log(odds)) {
      return static_cast<int64_t>(k);
    }
  }
}

void Draws::multinomial(int64_t n, std::span<const int64_t> weights, std::vector<int64_t>& counts) {
  counts.assign(weights.size(), 0);
  int64_t left = 0;
  for (const int64_t weight : weights)
    left += weight;
  for (size_t i = 0; i < weights.size() && n > 0; ++i) {
    counts[i] = binomial(n, static_cast<double>(weights[i]) / static_cast<double>(left));
    n -= counts[i];
    left -= weights[i];
  }
}

}  // namespace afina::quality
