// SPDX-License-Identifier: Apache-2.0
// Which pair is worth a vote: hand-made tables whose answer is known.
#include "quality/informative_pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quality/draws.h"

namespace afina::quality {
namespace {

// By elimination without pivots: of a positive definite matrix.
double log_determinant(SquareMatrix m) {
  double sum = 0;
  for (size_t k = 0; k < m.size; ++k) {
    sum += std::log(m.at(k, k));
    for (size_t i = k + 1; i < m.size; ++i) {
      const double factor = m.at(i, k) / m.at(k, k);
      for (size_t j = k; j < m.size; ++j)
        m.at(i, j) -= factor * m.at(k, j);
    }
  }
  return sum;
}

using Pairs = std::vector<std::pair<uint32_t, uint32_t>>;

TEST(InformativePair, JoinsWhatIsNotConnectedFirst) {
  // 0-1 and 2-3 are known; every pair between the groups is as good, none within one is taken.
  const std::vector<PairTally> tallies{{0, 1, 5, 5, 0}, {2, 3, 50, 50, 0}};
  EXPECT_EQ(most_informative_pairs(4, tallies), (Pairs{{0, 2}, {0, 3}, {1, 2}, {1, 3}}));
  EXPECT_EQ(most_informative_pairs(3, {}), (Pairs{{0, 1}, {0, 2}, {1, 2}}));
}

TEST(InformativePair, AsksAboutThePairWhoseDifferenceIsLeastKnown) {
  // All even: a chain 0-1-2 with few votes on its second half. The ends differ most, through both halves.
  EXPECT_EQ(most_informative_pairs(3, std::vector<PairTally>{{0, 1, 50, 50, 0}, {1, 2, 5, 5, 0}}), (Pairs{{0, 2}}));
  // With the ends compared often, the rest of the ring is what is left.
  EXPECT_EQ(most_informative_pairs(3, std::vector<PairTally>{{0, 1, 50, 50, 0}, {0, 2, 500, 500, 0}, {1, 2, 5, 5, 0}}),
            (Pairs{{1, 2}}));
}

TEST(InformativePair, DoesNotWasteVotesOnForegoneConclusions) {
  // 0 and 1 beat 2 always; 0-1 is open and hardly better known.
  const std::vector<PairTally> tallies{{0, 1, 10, 10, 0}, {0, 2, 40, 0, 0}, {1, 2, 40, 0, 0}};
  EXPECT_EQ(most_informative_pairs(3, tallies), (Pairs{{0, 1}}));
}

TEST(InformativePair, TellsAllThatAreAsGood) {
  const std::vector<PairTally> ring{{0, 1, 4, 4, 2}, {0, 2, 4, 4, 2}, {1, 2, 4, 4, 2}};
  EXPECT_EQ(most_informative_pairs(3, ring), (Pairs{{0, 1}, {0, 2}, {1, 2}}));
}

TEST(InformativePair, InformationIsThatOfTheVotesAtTheStrengthsWithOneTieMore) {
  const auto information = rating_information(2, std::vector<PairTally>{{0, 1, 7, 3, 0}});
  const double p = 7.5 / 11;  // half a win more on each side
  EXPECT_NEAR(information.at(0, 0), 10 * p * (1 - p) + 0.5, 1e-7);
  EXPECT_NEAR(information.at(0, 1), -10 * p * (1 - p) + 0.5, 1e-7);
}

TEST(InformativePair, RefusesTalliesOfNothing) {
  EXPECT_THROW(most_informative_pairs(2, std::vector<PairTally>{{0, 2, 1, 1, 0}}), DataError);
  EXPECT_THROW(most_informative_pairs(2, std::vector<PairTally>{{0, 1, -1, 1, 0}}), DataError);
  EXPECT_THROW(most_informative_pairs(2, std::vector<PairTally>{{1, 1, 1, 1, 0}}), DataError);
}

TEST(InformativePair, FollowingItLearnsFasterThanChance) {
  // 6 models of spread strengths; 600 votes by each rule. The log-determinant after them.
  const std::vector<double> truth{1.5, 0.9, 0.3, -0.3, -0.9, -1.5};
  const auto learnt = [&](bool informative) {
    Draws draws(5);
    std::vector<PairTally> tallies;
    for (uint32_t i = 0; i < 6; ++i)
      for (uint32_t j = i + 1; j < 6; ++j)
        tallies.push_back({i, j, 0, 0, 0});
    for (int vote = 0; vote < 600; ++vote) {
      const Pairs best = most_informative_pairs(6, tallies);
      const auto wanted = best[draws.below(best.size())];
      auto& tally =
          informative
              ? *std::find_if(tallies.begin(), tallies.end(),
                              [&](const PairTally& t) { return t.first == wanted.first && t.second == wanted.second; })
              : tallies[draws.below(tallies.size())];
      const double p = 1 / (1 + std::exp(truth[tally.second] - truth[tally.first]));
      ++(draws.unit() < p ? tally.first_wins : tally.second_wins);
    }
    return log_determinant(rating_information(6, tallies));
  };
  EXPECT_GT(learnt(true), learnt(false));
}

}  // namespace
}  // namespace afina::quality
