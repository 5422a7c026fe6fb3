// SPDX-License-Identifier: Apache-2.0
// Which pair is worth a vote: hand-made tables whose answer is known.
#include "collector/judgements/informative.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace afina::collector {
namespace {

using Choice = std::pair<size_t, size_t>;

RandomSource always(uint32_t number) {
  return [number] { return number; };
}

TEST(Informative, StrengthsOfTwoModelsAreTheLogOddsWithHalfAVoteOnEachSide) {
  const auto strengths = bradley_terry_strengths(2, {{0, 1, 7, 3}});
  EXPECT_NEAR(strengths[0] - strengths[1], std::log(7.5 / 3.5), 1e-8);
  EXPECT_NEAR(strengths[0] + strengths[1], 0, 1e-8);
}

TEST(Informative, AModelThatNeverLostHasAFiniteStrength) {
  const auto strengths = bradley_terry_strengths(2, {{0, 1, 20, 0}});
  EXPECT_NEAR(strengths[0] - strengths[1], std::log(20.5 / 0.5), 1e-6);
}

TEST(Informative, JoinsWhatIsNotConnectedFirst) {
  // 0-1 and 2-3 are known; every pair between the groups is as good, none within one is taken.
  const std::vector<PairTally> tallies{{0, 1, 5, 5}, {2, 3, 50, 50}};
  std::set<Choice> seen;
  for (uint32_t number = 0; number < 8; ++number)
    seen.insert(most_informative(4, tallies, always(number)));
  EXPECT_EQ(seen, (std::set<Choice>{{0, 2}, {0, 3}, {1, 2}, {1, 3}}));
}

TEST(Informative, AsksAboutThePairWhoseDifferenceIsLeastKnown) {
  // All even: a chain 0-1-2 with few votes on its second half. The ends differ most, through both halves.
  EXPECT_EQ(most_informative(3, {{0, 1, 50, 50}, {1, 2, 5, 5}}, always(0)), (Choice{0, 2}));
  // With the ends compared often, the rest of the ring is what is left.
  EXPECT_EQ(most_informative(3, {{0, 1, 50, 50}, {0, 2, 500, 500}, {1, 2, 5, 5}}, always(0)), (Choice{1, 2}));
}

TEST(Informative, DoesNotWasteVotesOnForegoneConclusions) {
  // 0 beats 2 almost always; 0-1 is open and hardly better known.
  const std::vector<PairTally> tallies{{0, 1, 10, 10}, {0, 2, 40, 0}, {1, 2, 40, 0}};
  EXPECT_EQ(most_informative(3, tallies, always(0)), (Choice{0, 1}));
  const auto strengths = bradley_terry_strengths(3, tallies);
  EXPECT_GT(strengths[0], strengths[2] + 3);
}

TEST(Informative, TiesAreDrawnByTheRandomSource) {
  const std::vector<PairTally> ring{{0, 1, 5, 5}, {0, 2, 5, 5}, {1, 2, 5, 5}};
  EXPECT_EQ(most_informative(3, ring, always(0)), (Choice{0, 1}));
  EXPECT_EQ(most_informative(3, ring, always(1)), (Choice{0, 2}));
  EXPECT_EQ(most_informative(3, ring, always(2)), (Choice{1, 2}));
}

TEST(Informative, FollowingItLearnsFasterThanChance) {
  // 6 models of spread strengths; 600 votes by each rule, answered by expectation. Sum of variances after it.
  const std::vector<double> truth{1.5, 0.9, 0.3, -0.3, -0.9, -1.5};
  uint32_t state = 12345;
  const RandomSource lcg = [&state] { return state = state * 1664525U + 1013904223U; };
  const auto spread = [&](bool informative) {
    std::vector<std::vector<double>> wins(6, std::vector<double>(6, 0));
    const auto tallies = [&] {
      std::vector<PairTally> out;
      for (size_t i = 0; i < 6; ++i) {
        for (size_t j = i + 1; j < 6; ++j) {
          if (wins[i][j] + wins[j][i] > 0) out.push_back({i, j, wins[i][j], wins[j][i]});
        }
      }
      return out;
    };
    for (int vote = 0; vote < 600; ++vote) {
      Choice pair = most_informative(6, tallies(), lcg);
      if (!informative) {
        pair.first = draw_below(6, lcg);
        pair.second = (pair.first + 1 + draw_below(5, lcg)) % 6;
      }
      const double p = 1 / (1 + std::exp(truth[pair.second] - truth[pair.first]));
      wins[pair.first][pair.second] += p;
      wins[pair.second][pair.first] += 1 - p;
    }
    return log_information(6, tallies());
  };
  EXPECT_GT(spread(true), spread(false));
}

}  // namespace
}  // namespace afina::collector
