// SPDX-License-Identifier: Apache-2.0
// Values: the formulas of ratings.h and tie_models.h in double precision, agreed on by two programs; tolerance 1e-6.
#include "quality/ratings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "quality/acceptability.h"
#include "quality/draws.h"
#include "quality/informative_pair.h"
#include "quality/noisy_bradley_terry.h"

namespace afina::quality {
namespace {

std::vector<Battle> record(uint32_t left, uint32_t right, int won, int lost, int tied) {
  std::vector<Battle> out;
  if (won > 0) out.push_back({left, right, Winner::left, 0, won});
  if (lost > 0) out.push_back({left, right, Winner::right, 0, lost});
  if (tied > 0) out.push_back({left, right, Winner::tie, 0, tied});
  return out;
}

std::vector<Battle> all(std::initializer_list<std::vector<Battle>> records) {
  std::vector<Battle> out;
  for (const auto& one : records)
    out.insert(out.end(), one.begin(), one.end());
  return out;
}

std::vector<Battle> three_models() {
  return all({record(0, 1, 30, 15, 5), record(1, 2, 20, 12, 8), record(0, 2, 25, 8, 7)});
}

TEST(BradleyTerry, EqualsTheGoldenTable) {
  const RatingFit fit = fit_ratings(three_models(), 3, {.position = false, .clustered = false});
  EXPECT_NEAR(fit.strength[0], 0.513298, 1e-6);
  EXPECT_NEAR(fit.strength[1], -0.073210, 1e-6);
  EXPECT_NEAR(fit.strength[2], -0.440088, 1e-6);
  EXPECT_NEAR(fit.loss, 83.310471, 1e-6);
  EXPECT_NEAR(fit.error(0), 0.139392, 1e-6);
  EXPECT_NEAR(fit.error(1), 0.132632, 1e-6);
  EXPECT_NEAR(fit.error(2), 0.141378, 1e-6);
  EXPECT_NEAR(published_ratings(fit)[0].rating, 1089.1690, 1e-4);
  EXPECT_NEAR(published_ratings(fit)[1].rating, 987.2821, 1e-4);
  EXPECT_NEAR(published_ratings(fit)[2].rating, 923.5489, 1e-4);
  EXPECT_EQ(fit.votes, 130);
  EXPECT_EQ(fit.ridge, 0);
  EXPECT_TRUE(fit.converged);
}

TEST(BradleyTerry, EstimatesTheAdvantageOfTheLeftSide) {
  const auto battles = all({record(0, 1, 20, 5, 0), record(1, 0, 9, 11, 0), record(1, 2, 14, 6, 0),
                            record(2, 1, 10, 10, 0), record(0, 2, 16, 4, 0), record(2, 0, 8, 12, 0)});
  const RatingFit fit = fit_ratings(battles, 3, {.clustered = false});
  EXPECT_NEAR(fit.strength[0], 0.567728, 1e-6);
  EXPECT_NEAR(fit.strength[1], -0.118661, 1e-6);
  EXPECT_NEAR(fit.strength[2], -0.449067, 1e-6);
  EXPECT_NEAR(*fit.position, 0.504906, 1e-6);
  EXPECT_NEAR(*fit.position_error, 0.196854, 1e-6);
  EXPECT_NEAR(fit.loss, 76.033134, 1e-6);
  const RatingFit without = fit_ratings(battles, 3, {.position = false});
  EXPECT_NEAR(without.strength[0], 0.554866, 1e-6);
  EXPECT_NEAR(without.strength[1], -0.130352, 1e-6);
  EXPECT_NEAR(without.strength[2], -0.424514, 1e-6);
  EXPECT_NEAR(without.loss, 79.445106, 1e-6);
}

TEST(TieModels, EqualTheGoldenTables) {
  const double d[] = {0, 0.5, 2}, davidson_win[] = {1.0 / 3, 0.419229, 0.665241},
               davidson_tie[] = {1.0 / 3, 0.326496, 0.244728}, rao_win[] = {0.4, 0.523616, 0.831253},
               rao_tie[] = {0.2, 0.188455, 0.085990};
  for (int i = 0; i < 3; ++i) {
    const auto davidson = outcome_probabilities(TieModel::davidson, d[i], 0.5);
    const auto rao = outcome_probabilities(TieModel::rao_kupper, d[i], 1.5);
    EXPECT_NEAR(davidson.left, davidson_win[i], 1e-6);
    EXPECT_NEAR(davidson.tie, davidson_tie[i], 1e-6);
    EXPECT_NEAR(rao.left, rao_win[i], 1e-6);
    EXPECT_NEAR(rao.tie, rao_tie[i], 1e-6);
    EXPECT_NEAR(davidson.left + davidson.right + davidson.tie, 1, 1e-12);
    EXPECT_NEAR(rao.left + rao.right + rao.tie, 1, 1e-12);
  }
  EXPECT_EQ(outcome_probabilities(TieModel::davidson, 0.7, 0).tie, 0);
  EXPECT_EQ(outcome_probabilities(TieModel::rao_kupper, 0.7, 1).tie, 0);
  EXPECT_THROW(outcome_probabilities(TieModel::davidson, 0, -1), UsageError);
  EXPECT_THROW(outcome_probabilities(TieModel::rao_kupper, 0, 0.5), UsageError);
}

TEST(TieModels, DerivativesEqualFiniteDifferences) {
  constexpr double kStep = 1e-5;
  for (const TieModel model : {TieModel::half_wins, TieModel::davidson, TieModel::rao_kupper}) {
    for (const Winner winner : {Winner::left, Winner::right, Winner::tie}) {
      const auto at = [&](double d, double theta) { return local_loss(model, winner, d, theta); };
      const LocalLoss l = at(0.3, 0.4);
      EXPECT_NEAR(l.by_d, (at(0.3 + kStep, 0.4).loss - at(0.3 - kStep, 0.4).loss) / (2 * kStep), 1e-8);
      EXPECT_NEAR(l.by_theta, (at(0.3, 0.4 + kStep).loss - at(0.3, 0.4 - kStep).loss) / (2 * kStep), 1e-8);
      EXPECT_NEAR(l.by_d_d, (at(0.3 + kStep, 0.4).by_d - at(0.3 - kStep, 0.4).by_d) / (2 * kStep), 1e-8);
      EXPECT_NEAR(l.by_d_theta, (at(0.3, 0.4 + kStep).by_d - at(0.3, 0.4 - kStep).by_d) / (2 * kStep), 1e-8);
      EXPECT_NEAR(l.by_theta_theta, (at(0.3, 0.4 + kStep).by_theta - at(0.3, 0.4 - kStep).by_theta) / (2 * kStep),
                  1e-8);
    }
  }
}

// Votes drawn from the model itself: the estimate comes back, and the truth lies within a few errors of it.
TEST(TieModels, FitFindsTheStrengthsAndTheTiesThatMadeTheVotes) {
  const std::vector<double> truth{0.8, 0.1, -0.3, -0.6};
  for (const auto& [model, nu] : {std::pair{TieModel::davidson, 0.4}, {TieModel::rao_kupper, 1.6}}) {
    Draws draws(5);
    std::vector<Battle> battles;
    for (int i = 0; i < 30'000; ++i) {
      const auto left = static_cast<uint32_t>(draws.below(4)),
                 right = (left + 1 + static_cast<uint32_t>(draws.below(3))) % 4;
      const auto p = outcome_probabilities(model, truth[left] - truth[right] + 0.25, nu);
      const double u = draws.unit();
      battles.push_back({left, right,
                         u < p.left             ? Winner::left
                         : u < p.left + p.right ? Winner::right
                                                : Winner::tie,
                         static_cast<uint32_t>(draws.below(500))});
    }
    const RatingFit fit = fit_ratings(battles, 4, {.ties = model});
    for (size_t m = 0; m < 4; ++m)
      EXPECT_NEAR(fit.strength[m], truth[m], 4 * fit.error(m)) << to_string(model);
    EXPECT_NEAR(*fit.position, 0.25, 4 * *fit.position_error);
    EXPECT_NEAR(fit.nu, nu, 0.03);
    EXPECT_EQ(fit.annotators, 500);
    EXPECT_LT(fit.error(0), 0.03);
  }
}

TEST(Ratings, WithoutTiesAllModelsAreBradleyTerry) {
  const auto battles = all({record(0, 1, 7, 5, 0), record(1, 2, 9, 4, 0), record(2, 0, 3, 8, 0)});
  const RatingFit plain = fit_ratings(battles, 3);
  EXPECT_EQ(fit_ratings(battles, 3, {.ties = TieModel::davidson}).strength, plain.strength);
  EXPECT_EQ(fit_ratings(battles, 3, {.ties = TieModel::davidson}).nu, 0);
  EXPECT_EQ(fit_ratings(battles, 3, {.ties = TieModel::rao_kupper}).nu, 1);
}

// One person who votes a hundred times alike is one witness, not a hundred.
TEST(Ratings, ClusteredErrorsDoNotShrinkWhenPeopleRepeatThemselves) {
  std::vector<Battle> once, often;
  Draws draws(3);
  for (uint32_t person = 0; person < 60; ++person) {
    const Winner winner = draws.unit() < 0.65 ? Winner::left : Winner::right;
    const uint32_t left = person % 2;
    once.push_back({left, 1 - left, winner, person, 1});
    often.push_back({left, 1 - left, winner, person, 100});
  }
  const RatingFit one = fit_ratings(once, 2), many = fit_ratings(often, 2);
  EXPECT_NEAR(one.error(0), many.error(0), 1e-9);
  const RatingFit naive = fit_ratings(often, 2, {.clustered = false});
  EXPECT_NEAR(naive.error(0), one.error(0) / 10, 0.01 * one.error(0))
      << "the control: independent votes claim too much";
}

TEST(Ratings, RidgeKeepsAModelThatAlwaysWinsFinite) {
  const auto battles = all({record(0, 1, 10, 0, 0), record(1, 2, 5, 5, 0)});
  EXPECT_FALSE(strongly_connected(battles, 3));
  const RatingFit fit = fit_ratings(battles, 3);
  EXPECT_FALSE(fit.connected);
  EXPECT_EQ(fit.ridge, 0.5);
  EXPECT_GT(fit.strength[0], fit.strength[1]);
  EXPECT_LT(fit.strength[0], 4);
  EXPECT_TRUE(fit.converged);
}

TEST(Ratings, RidgeKeepsASideThatAlwaysWinsFinite) {
  const auto battles = all({record(0, 1, 10, 0, 0), record(1, 0, 10, 0, 0)});
  const RatingFit fit = fit_ratings(battles, 2);
  EXPECT_TRUE(fit.converged);
  EXPECT_NEAR(fit.strength[0], 0, 1e-9);
  EXPECT_GT(*fit.position, 1);
  EXPECT_LT(*fit.position, 6);
}

TEST(Ratings, RidgeSharesBetweenStrengthAndSideWhatCannotBeToldApart) {
  // The first model always stood on the left, and lost five of six.
  const RatingFit fit = fit_ratings(record(0, 1, 1, 5, 0), 2);
  EXPECT_TRUE(fit.converged);
  EXPECT_TRUE(fit.connected);
  EXPECT_EQ(fit.ridge, 0.5);
  EXPECT_LT(fit.strength[0], -0.1);
  EXPECT_LT(*fit.position, -0.1);
}

TEST(Ratings, RanksShareAPlaceWhereIntervalsTouch) {
  RatingFit fit;
  fit.strength = {1.0, 0.9, -1.9};
  fit.covariance = SquareMatrix(3);
  for (size_t i = 0; i < 3; ++i)
    fit.covariance.at(i, i) = 0.01;
  const auto ratings = published_ratings(fit);
  EXPECT_EQ(ratings[0].rank, 1);
  EXPECT_EQ(ratings[1].rank, 1);
  EXPECT_EQ(ratings[2].rank, 3);
}

TEST(Ratings, PairWeightsTakePowerFromOneCrowdedPair) {
  // A thousand votes say A = B; fifty say A beats C by far, fifty that B and C are equal.
  const auto battles = all({record(0, 1, 500, 500, 0), record(0, 2, 40, 10, 0), record(1, 2, 25, 25, 0)});
  const RatingFit plain = fit_ratings(battles, 3, {.position = false});
  const RatingFit weighted = fit_ratings(battles, 3, {.position = false, .pair_weight_floor = 50});
  EXPECT_LT(plain.strength[0] - plain.strength[1], weighted.strength[0] - weighted.strength[1]);
}

TEST(Ratings, RefuseWhatIsNoBattle) {
  EXPECT_THROW(fit_ratings({}, 3), DataError);
  EXPECT_THROW(fit_ratings(std::vector<Battle>{{0, 0, Winner::left}}, 3), DataError);
  EXPECT_THROW(fit_ratings(std::vector<Battle>{{0, 3, Winner::left}}, 3), DataError);
  EXPECT_THROW(fit_ratings(std::vector<Battle>{{0, 1, Winner::left, 0, 0}}, 3), DataError);
  EXPECT_THROW(fit_ratings(std::vector<Battle>{{0, 1, static_cast<Winner>(7)}}, 3), DataError)
      << "an unknown outcome is no tie";
  EXPECT_THROW(fit_ratings(three_models(), 3, {.ridge = -1}), UsageError);
}

TEST(Ratings, TellHowManyVotesSeparateTwoModels) {
  const RatingFit fit = fit_ratings(record(0, 1, 60, 40, 0), 2, {.position = false, .clustered = false});
  const auto votes = votes_to_separate(fit, 0, 1);
  EXPECT_EQ(*votes, 0) << "60 of 100 stands 1.99 errors from even";
  const RatingFit few = fit_ratings(record(0, 1, 6, 4, 0), 2, {.position = false, .clustered = false});
  EXPECT_NEAR(static_cast<double>(*votes_to_separate(few, 0, 1)), 87, 2) << "97 in all, 10 are there";
  const RatingFit even = fit_ratings(record(0, 1, 5, 5, 0), 2, {.position = false, .clustered = false});
  EXPECT_FALSE(votes_to_separate(even, 0, 1)) << "equals are never separated";
  EXPECT_THROW(votes_to_separate(few, 0, 2), UsageError);
}

TEST(NoisyBradleyTerry, EqualsTheGoldenProbability) {
  EXPECT_NEAR(noisy_left_probability(1, 2, 0.5), 0.718113, 1e-6);
}

TEST(NoisyBradleyTerry, TellsTheOneWhoAlwaysTakesTheLeft) {
  Draws draws(9);
  std::vector<Battle> battles;
  for (int i = 0; i < 1200; ++i) {
    const auto left = static_cast<uint32_t>(draws.below(3)),
               right = (left + 1 + static_cast<uint32_t>(draws.below(2))) % 3;
    const auto who = static_cast<uint32_t>(draws.below(6));
    const bool first = who == 0 || left < right ? draws.unit() < (who == 0 ? 0.98 : 0.9) : draws.unit() < 0.1;
    battles.push_back({left, right, first ? Winner::left : Winner::right, who});
  }
  const NoisyFit fit = fit_noisy_bradley_terry(battles, 3, 6);
  EXPECT_TRUE(fit.converged);
  EXPECT_LT(fit.skill[0], 0) << "mostly not judging";
  EXPECT_GT(fit.bias[0], 1.5) << "and then left";
  for (size_t w = 1; w < 6; ++w)
    EXPECT_GT(fit.skill[w], 1);
  EXPECT_GT(fit.strength[0], fit.strength[1]);
  EXPECT_GT(fit.strength[1], fit.strength[2]);
}

TEST(Acceptability, SetsBothBadApartFromWhoWins) {
  const std::vector<AcceptabilityVote> votes{{0, 1, PairVerdict::both_good, 40},
                                             {0, 2, PairVerdict::graded, 40},
                                             {1, 2, PairVerdict::graded, 20},
                                             {2, 3, PairVerdict::both_bad, 40},
                                             {0, 3, PairVerdict::graded, 10}};
  const auto fit = fit_acceptability(votes, 5);
  EXPECT_GT(fit[0].share, 0.9);
  EXPECT_GT(fit[1].share, 0.9);
  EXPECT_LT(fit[3].share, 0.1);
  EXPECT_LT(fit[2].share, fit[1].share);
  EXPECT_EQ(fit[0].votes, 90);
  EXPECT_NEAR(fit[4].share, 0.5, 1e-12) << "nothing is known of a model without votes";
  EXPECT_NEAR(fit[4].interval.low, 0.025, 1e-6);
  EXPECT_THROW(fit_acceptability(std::vector<AcceptabilityVote>{{1, 1}}, 2), DataError);
}

}  // namespace
}  // namespace afina::quality
