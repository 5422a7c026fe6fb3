// SPDX-License-Identifier: Apache-2.0
#include "dpo/ranking_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "dpo/preference_loss.h"
#include "tests/dpo/batches.h"

namespace afina::dpo {
namespace {

TEST(RankingLoss, OfTwoAnswersIsThePairLossExactly) {
  auto batch = pair_batch({{10, 12}, {14, 11}});
  batch.examples[0].soft_label = 0.8;
  batch.examples[0].margin = 0.1;
  batch.examples[1].weight = 2.0;
  const std::vector<double> reference{-21, -22.5, -34, -33.5}, logps = spread(batch, {-20, -24, -35, -33});
  RankingLoss ranking(0.1);
  PreferenceLoss pairs({.beta = 0.1});
  std::vector<double> of_ranking, of_pairs;
  const auto a = evaluate(ranking, batch, logps, reference, &of_ranking);
  const auto b = evaluate(pairs, batch, logps, reference, &of_pairs);
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(of_ranking, of_pairs);
  EXPECT_EQ(a.metric_sums, b.metric_sums);
}

TEST(RankingLoss, IsTheNegativeLogLikelihoodOfTheOrder) {
  // Rewards .3, .1, -.2, .5 at beta 1, the product of choices written out in Python.
  const auto batch = batch_of({{{0, 1}, {1, 1}, {2, 1}, {3, 1}}});
  RankingLoss loss(1.0);
  const auto result = evaluate(loss, batch, {-1.7, -1.9, -2.2, -1.5}, {-2, -2, -2, -2});
  EXPECT_NEAR(result.loss, 3.5702989164529577, 1e-12);
  EXPECT_NEAR(metric(result, "rewards/accuracies"), 3.0 / 6.0, 1e-12);
  EXPECT_NEAR(metric(result, "rewards/rejected"), (0.1 - 0.2 + 0.5) / 3, 1e-12);
}

TEST(RankingLoss, GivesEveryOrderAProbabilityAndAllOfThemOne) {
  const std::vector<double> rewards{0.4, -1.1, 0.7};
  std::vector<size_t> order{0, 1, 2};
  double total = 0.0;
  RankingLoss loss(1.0);
  do {
    std::vector<double> ranked;
    for (const size_t i : order)
      ranked.push_back(rewards[i]);
    total += std::exp(-evaluate(loss, batch_of({{{0, 1}, {1, 1}, {2, 1}}}), ranked, {0, 0, 0}).loss);
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_NEAR(total, 1.0, 1e-12);
}

TEST(RankingLoss, TakesRankingsOfDifferentLengthsInOneBatchAndAnyOrderOfSequences) {
  const auto sorted = batch_of({{{0, 1}, {1, 1}, {2, 1}}, {{0, 2}, {1, 1}}});
  const auto shuffled = batch_of({{{2, 1}, {0, 1}, {1, 1}}, {{1, 1}, {0, 2}}});
  RankingLoss loss(0.5);
  const double a = evaluate(loss, sorted, {-1, -2, -3, -4, -5, -6}, {0, 0, 0, 0, 0}).loss;
  const double b = evaluate(loss, shuffled, {-3, -1, -2, -6, -4, -5}, {0, 0, 0, 0, 0}).loss;
  EXPECT_DOUBLE_EQ(a, b);
}

TEST(RankingLoss, RefusesOneAnswerGapsAndLabelsThatAreOfPairs) {
  RankingLoss loss(0.1);
  EXPECT_THROW(evaluate(loss, batch_of({{{0, 1}}}), {-1}, {0}), DataError);
  EXPECT_THROW(evaluate(loss, batch_of({{{0, 1}, {2, 1}, {2, 1}}}), {-1, -1, -1}, {0, 0, 0}), DataError);
  auto batch = batch_of({{{0, 1}, {1, 1}, {2, 1}}});
  batch.examples[0].soft_label = 0.9;
  EXPECT_THROW(evaluate(loss, batch, {-1, -1, -1}, {0, 0, 0}), DataError);
}

}  // namespace
}  // namespace afina::dpo
