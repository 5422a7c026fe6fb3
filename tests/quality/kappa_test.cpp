// SPDX-License-Identifier: Apache-2.0
// Values: published examples (Fleiss 1971 and the usual 2 × 2), recomputed in double precision.
#include "quality/kappa.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace afina::quality {
namespace {

TEST(CohenKappa, EqualsThePublishedTwoByTwoTable) {
  EXPECT_NEAR(*cohen_kappa(std::vector<int64_t>{20, 5, 10, 15}, 2, KappaWeights::none), 0.4, 1e-12);
}

TEST(CohenKappa, WeighsDistancesLinearlyOrBySquares) {
  const std::vector<int64_t> table{11, 4, 1, 3, 12, 5, 0, 2, 12};
  EXPECT_NEAR(*cohen_kappa(table, 3, KappaWeights::none), 0.549279, 1e-6);
  EXPECT_NEAR(*cohen_kappa(table, 3, KappaWeights::linear), 0.627561, 1e-6);
  EXPECT_NEAR(*cohen_kappa(table, 3, KappaWeights::quadratic), 0.711168, 1e-6);
}

TEST(CohenKappa, IsNothingWhereChanceAgreesFully) {
  EXPECT_FALSE(cohen_kappa(std::vector<int64_t>{7, 0, 0, 0}, 2, KappaWeights::none));
}

TEST(CohenKappa, RefusesWhatIsNoTable) {
  EXPECT_THROW(cohen_kappa(std::vector<int64_t>{1, 2, 3}, 2, KappaWeights::none), DataError);
  EXPECT_THROW(cohen_kappa(std::vector<int64_t>{1, 2, 3, -4}, 2, KappaWeights::none), DataError);
  EXPECT_THROW(cohen_kappa(std::vector<int64_t>{0, 0, 0, 0}, 2, KappaWeights::none), DataError);
  EXPECT_THROW(cohen_kappa({}, 0, KappaWeights::none), DataError);
}

TEST(FleissKappa, EqualsThePublishedTable) {
  const std::vector<int64_t> counts{0, 0, 0, 0, 14, 0, 2, 6, 4, 2, 0, 0, 3, 5, 6, 0, 3, 9, 2, 0, 2, 2, 8, 1, 1,
                                    7, 7, 0, 0, 0,  3, 2, 6, 3, 0, 2, 5, 3, 2, 2, 6, 5, 2, 1, 0, 0, 2, 2, 3, 7};
  const FleissKappa fleiss = fleiss_kappa(counts, 5);
  EXPECT_NEAR(fleiss.observed, 0.378022, 1e-6);
  EXPECT_NEAR(fleiss.expected, 0.212755, 1e-6);
  EXPECT_NEAR(*fleiss.kappa, 0.209931, 1e-6);
}

TEST(FleissKappa, RefusesUnevenRatersAndIsNothingForOneClass) {
  EXPECT_THROW(fleiss_kappa(std::vector<int64_t>{3, 0, 2, 0}, 2), DataError);
  EXPECT_THROW(fleiss_kappa(std::vector<int64_t>{1, 0, 0, 1}, 2), DataError) << "one rater agrees with nobody";
  EXPECT_FALSE(fleiss_kappa(std::vector<int64_t>{3, 0, 3, 0}, 2).kappa);
}

}  // namespace
}  // namespace afina::quality
