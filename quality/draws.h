// SPDX-License-Identifier: Apache-2.0
// Random draws that are the same with every compiler and standard library: std::mt19937_64 is fixed by the standard,
// the distributions of <random> are not. For bootstraps and simulations, never for secrets.
#pragma once
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace afina::quality {

/// One seeded stream. Not thread-safe; cheap to make.
class Draws {
 public:
  explicit Draws(uint64_t seed) : engine_(seed) {}
  /// 53 random bits in [0, 1).
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
  /// Uniform in 0 … n−1 without bias (rejection). n > 0.
  uint64_t below(uint64_t n);
  /// Standard normal (polar method, Marsaglia and Bray 1964).
  double normal();
  /// Successes among n trials of probability p: inversion where n·min(p, 1−p) < 10, else BTRS (Hörmann 1993); both are
  /// exact. Expected time O(1) of the latter, O(np) of the former.
  int64_t binomial(int64_t n, double p);
  /// n draws among cells in proportion to weights (integers, their sum > 0), by conditional binomials: O(cells)
  /// whatever n is, which is what makes 1,000 resamples of a million units cheap.
  void multinomial(int64_t n, std::span<const int64_t> weights, std::vector<int64_t>& counts);

 private:
  int64_t binomial_by_inversion(int64_t n, double p);
  int64_t binomial_by_rejection(int64_t n, double p);
  std::mt19937_64 engine_;
};

}  // namespace afina::quality
