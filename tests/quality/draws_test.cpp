// SPDX-License-Identifier: Apache-2.0
#include "quality/draws.h"

#include <gtest/gtest.h>

#include <cmath>

#include "quality/special_functions.h"

namespace afina::quality {
namespace {

TEST(Draws, BinomialHasItsMeanAndVarianceOnBothMethods) {
  Draws draws(1);
  for (const auto& [n, p] : {std::pair<int64_t, double>{40, 0.1}, {1000, 0.3}, {100'000, 0.9}, {50, 0.97}}) {
    double sum = 0, squares = 0;
    constexpr int kDraws = 40'000;
    for (int i = 0; i < kDraws; ++i) {
      const auto k = static_cast<double>(draws.binomial(n, p));
      sum += k;
      squares += k * k;
    }
    const double mean = sum / kDraws, expected = static_cast<double>(n) * p, variance = expected * (1 - p);
    EXPECT_NEAR(mean, expected, 5 * std::sqrt(variance / kDraws)) << n << " " << p;
    EXPECT_NEAR(squares / kDraws - mean * mean, variance, 0.05 * variance) << n << " " << p;
  }
}

TEST(Draws, AreTheSameOnEveryMachine) {
  // The engine's 10,000th output is fixed by the standard; so these are.
  Draws draws(42);
  EXPECT_EQ(draws.below(1000), 406);
  EXPECT_EQ(draws.binomial(1'000'000, 0.25), 250'173);
}

TEST(Draws, MultinomialUsesEveryDraw) {
  Draws draws(2);
  std::vector<int64_t> counts;
  const std::vector<int64_t> weights{1, 0, 3, 6};
  draws.multinomial(1'000'000, weights, counts);
  EXPECT_EQ(counts[0] + counts[1] + counts[2] + counts[3], 1'000'000);
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(static_cast<double>(counts[2]), 300'000, 3000);
}

// Values: scipy.special.
TEST(SpecialFunctions, EqualKnownValues) {
  EXPECT_NEAR(log_gamma(0.5), 0.57236494292470008, 1e-12);
  EXPECT_NEAR(log_gamma(123.4), 469.3360974421906, 1e-9);
  EXPECT_NEAR(digamma(0.5), -1.9635100260214235, 1e-12);
  EXPECT_NEAR(beta_cdf(2, 3, 0.4), 0.5248, 1e-12);
  EXPECT_NEAR(beta_quantile(5, 2, 0.025), 0.35876542100233, 1e-11);
  EXPECT_NEAR(binomial_tail(10, 8, 0.5), 56.0 / 1024, 1e-12);
  EXPECT_NEAR(normal_quantile_two_sided(0.95), 1.959963984540054, 1e-9);
}

}  // namespace
}  // namespace afina::quality
