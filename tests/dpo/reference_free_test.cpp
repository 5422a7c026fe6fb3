// SPDX-License-Identifier: Apache-2.0
// CPO, SimPO, ORPO and the reward model: pairs without a reference. Golden values by formula on the rows of
// preference_loss_test.cpp.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "dpo/cpo_loss.h"
#include "dpo/orpo_loss.h"
#include "dpo/reward_loss.h"
#include "dpo/scalars.h"
#include "tests/dpo/batches.h"

namespace afina::dpo {
namespace {

const std::vector<double> kSums = {-20, -24, -35, -33};

datasets::PackedBatch golden_pairs() {
  return pair_batch({{10, 12}, {14, 11}});
}

double golden_cpo(const CpoOptions& options) {
  CpoLoss loss(options);
  return evaluate(loss, golden_pairs(), spread(golden_pairs(), kSums), {}).loss;
}

TEST(CpoLoss, EqualsTheGoldenValues) {
  EXPECT_NEAR(golden_cpo({.cpo_alpha = 0.0}), 0.655577, 1e-6);
  EXPECT_NEAR(golden_cpo({.type = CpoType::simpo, .cpo_alpha = 0.0}), 0.958663, 1e-6);
  EXPECT_NEAR(golden_cpo({.type = CpoType::simpo, .beta = 2.0, .cpo_alpha = 0.0, .simpo_gamma = 1.0}), 1.003204, 1e-6);
}

TEST(CpoLoss, AddsTheTokenMeanOfTheChosenAnswers) {
  EXPECT_NEAR(golden_cpo({.cpo_alpha = 0.5}), 0.6555767 + 0.5 * 55.0 / 24.0, 1e-6);
}

TEST(CpoLoss, AsksForNoDivisorOfALikelihoodItDoesNotHave) {
  EXPECT_EQ(CpoLoss({.cpo_alpha = 0.0}).divisor_share(golden_pairs()).nll, 0.0);
  EXPECT_EQ(CpoLoss({.cpo_alpha = 1.0}).divisor_share(golden_pairs()).nll, 24.0);
}

TEST(OrpoLoss, EqualsTheGoldenValues) {
  OrpoLoss loss(0.1, false);
  const auto result = evaluate(loss, golden_pairs(), spread(golden_pairs(), kSums), {});
  EXPECT_NEAR(metric(result, "log_odds_chosen"), 0.267291, 1e-6);
  EXPECT_NEAR(metric(result, "log_odds_ratio"), -0.577154, 1e-6);
  EXPECT_NEAR(result.loss, 55.0 / 24.0 + 0.057715, 1e-6);
}

TEST(OrpoLoss, TrainsThePromptOnceAPairWhereAsked) {
  const auto batch = batch_of({{{datasets::kPromptSide, 2}, {0, 1}, {1, 1}}});
  const std::vector<double> logps{-1, -3, -2, -2.5};
  OrpoLoss with(0.1, true), without(0.1, false);
  std::vector<double> d;
  const double term = 0.1 * -log_sigmoid(log_odds_ratio(-2, -2.5).value);
  EXPECT_NEAR(evaluate(with, batch, logps, {}, &d).loss, 6.0 / 3.0 + term, 1e-12);
  EXPECT_NEAR(d[0], -1.0 / 3.0, 1e-12);
  EXPECT_NEAR(evaluate(without, batch, logps, {}, &d).loss, 2.0 + term, 1e-12);
  EXPECT_EQ(d[0], 0.0);
}

TEST(OrpoLoss, RefusesALongPromptWithoutItsTargetsButNotOneOfASingleToken) {
  auto batch = batch_of({{{0, 1}, {1, 1}}});
  batch.examples[0].row = 31;
  batch.positions = {5};
  OrpoLoss loss(0.1, true);
  EXPECT_THROW(evaluate(loss, batch, {-1, -2}, {}), DataError);
  batch.positions = {0};
  EXPECT_NO_THROW(evaluate(loss, batch, {-1, -2}, {}));
}

TEST(OrpoLoss, KeepsTheOddsOfCertainAnswersFinite) {
  const LogOddsRatio certain = log_odds_ratio(0.0, -1.0);
  EXPECT_TRUE(std::isfinite(certain.value) && std::isfinite(certain.by_chosen));
  EXPECT_GT(certain.value, 10.0);
  // Near p = 0 both branches of log(1 - e^p) must agree with the exact value: log odds = -log(expm1(-p)).
  for (const double p : {-1e-6, -0.69, -0.6931, -0.7, -30.0})
    EXPECT_NEAR(log_odds_ratio(p, -1.0).value, std::log(std::expm1(1.0)) - std::log(std::expm1(-p)), 1e-9) << p;
}

TEST(RewardLoss, EqualsTheGoldenValue) {
  const auto batch = pair_batch({{1, 1}, {1, 1}});
  RewardLoss loss(0.0);
  const auto result = evaluate(loss, batch, {1.2, 0.4, 0.3, 0.9}, {});
  EXPECT_NEAR(result.loss, 0.704294, 1e-6);
  EXPECT_EQ(metric(result, "accuracy"), 0.5);
  EXPECT_NEAR(metric(result, "margin"), 0.1, 1e-12);
  EXPECT_EQ(metric(result, "min_reward"), 0.3);
  EXPECT_EQ(metric(result, "max_reward"), 1.2);
  EXPECT_NEAR(metric(result, "mean_reward"), 0.7, 1e-12);
}

TEST(RewardLoss, IgnoresStaticWeightsAndRefusesMoreThanOneScoreAnAnswer) {
  auto batch = pair_batch({{1, 1}});
  RewardLoss loss(0.0);
  const double plain = evaluate(loss, batch, {1.2, 0.4}, {}).loss;
  batch.targets[0].weight = 0.5F;
  EXPECT_EQ(evaluate(loss, batch, {1.2, 0.4}, {}).loss, plain);
  EXPECT_THROW(evaluate(loss, pair_batch({{2, 1}}), {1, 1, 1}, {}), DataError);
}

}  // namespace
}  // namespace afina::dpo
