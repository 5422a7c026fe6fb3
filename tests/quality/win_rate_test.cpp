// SPDX-License-Identifier: Apache-2.0
#include "quality/win_rate.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"

namespace afina::quality {
namespace {

std::vector<ClusteredScore> coin(int clusters, int votes_each, int winners) {
  std::vector<ClusteredScore> scores;
  for (int c = 0; c < clusters; ++c) {
    for (int v = 0; v < votes_each; ++v)
      scores.push_back({std::to_string(c), c < winners ? 1.0 : 0.0});
  }
  return scores;
}

TEST(WinRate, EqualsTheNormalIntervalOfIndependentVotes) {
  // 400 clusters of one vote, 60 % won: 0.6 ± 1.96·√(0.24/400) = 0.552 … 0.648.
  const auto interval = cluster_bootstrap(coin(400, 1, 240), 0.95, 4000, 1);
  EXPECT_DOUBLE_EQ(interval.mean, 0.6);
  EXPECT_NEAR(interval.low, 0.552, 0.006);
  EXPECT_NEAR(interval.high, 0.648, 0.006);
}

TEST(WinRate, DoesNotTakeRepeatedVotesOnOnePromptForNewEvidence) {
  const auto once = cluster_bootstrap(coin(30, 1, 18), 0.95, 2000, 1),
             thrice = cluster_bootstrap(coin(30, 3, 18), 0.95, 2000, 1);
  EXPECT_NEAR(once.high - once.low, thrice.high - thrice.low, 1e-12);
  EXPECT_EQ(thrice.observations, 90);
  EXPECT_EQ(thrice.clusters, 30);
}

TEST(WinRate, RepeatsForOneSeed) {
  const auto scores = coin(25, 2, 15);
  EXPECT_EQ(cluster_bootstrap(scores, 0.95, 500, 3).low, cluster_bootstrap(scores, 0.95, 500, 3).low);
}

TEST(WinRate, GivesNoWidthForOneClusterAndRefusesNothing) {
  const auto interval = cluster_bootstrap(coin(1, 5, 1), 0.95, 100, 1);
  EXPECT_EQ(interval.low, interval.high);
  EXPECT_THROW(cluster_bootstrap({}, 0.95, 100, 1), DataError);
  EXPECT_THROW(cluster_bootstrap(coin(2, 1, 1), 1.0, 100, 1), UsageError);
}

}  // namespace
}  // namespace afina::quality
