// SPDX-License-Identifier: Apache-2.0
// KTO and BCO: single answers judged good or bad. Golden values of KTO are TRL's (the rows of preference_loss_test.cpp
// as good and bad answers, kl 0.2).
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "dpo/bco_loss.h"
#include "dpo/kto_loss.h"
#include "tests/dpo/batches.h"

namespace afina::dpo {
namespace {

/// Answers of one token with a mismatched one each; log-ratios 1, -1 (good) and -1.5, 0.5 (bad).
datasets::PackedBatch golden_rows() {
  auto batch = batch_of({{{0, 1}, {1, 1}}, {{0, 1}, {1, 1}}, {{0, 1}, {1, 1}}, {{0, 1}, {1, 1}}});
  batch.examples[2].soft_label = batch.examples[3].soft_label = 0.0;
  return batch;
}
const std::vector<double> kReference = {-21, -9, -34, -9, -22.5, -9, -33.5, -9};
std::vector<double> logps(double kl) {
  return {-20, -9 + kl, -35, -9 + kl, -24, -9 + kl, -33, -9 + kl};
}

TEST(KtoLoss, EqualsTrlOnTheGoldenRows) {
  KtoLoss kto({}), apo({.zero_point = false});
  const auto result = evaluate(kto, golden_rows(), logps(0.2), kReference);
  EXPECT_NEAR(result.loss, 0.493769, 1e-6);
  EXPECT_NEAR(metric(result, "kl"), 0.2, 1e-12);
  EXPECT_NEAR(evaluate(apo, golden_rows(), logps(0.2), kReference).loss, 0.493767, 1e-6);
}

TEST(KtoLoss, TakesANegativeEstimateOfTheDivergenceAsZero) {
  KtoLoss kto({}), apo({.zero_point = false});
  const auto result = evaluate(kto, golden_rows(), logps(-3.0), kReference);
  EXPECT_EQ(metric(result, "kl"), 0.0);
  EXPECT_DOUBLE_EQ(result.loss, evaluate(apo, golden_rows(), logps(-3.0), kReference).loss);
}

TEST(KtoLoss, MixesGoodAndBadByASoftLabel) {
  KtoLoss kto({.desirable_weight = 1.5, .undesirable_weight = 0.5});
  const auto loss_at = [&](double s) {
    auto batch = batch_of({{{0, 1}, {1, 1}}});
    batch.examples[0].soft_label = s;
    return evaluate(kto, batch, {-2, -3}, {-2.5, -3.5}).loss;
  };
  EXPECT_NEAR(loss_at(0.3), 0.3 * loss_at(1.0) + 0.7 * loss_at(0.0), 1e-12);
}

TEST(KtoLoss, MeansRewardsOverTheRowsThatHaveThem) {
  KtoLoss kto({});
  auto batch = golden_rows();
  const auto result = evaluate(kto, batch, logps(0.2), kReference);
  EXPECT_NEAR(metric(result, "rewards/chosen"), 0.0, 1e-12);
  EXPECT_NEAR(metric(result, "rewards/rejected"), -0.05, 1e-12);
  EXPECT_NEAR(metric(result, "rewards/margins"), 0.05, 1e-12);
  batch.examples[2].soft_label = batch.examples[3].soft_label = 1.0;
  const auto good = evaluate(kto, batch, logps(0.2), kReference);
  EXPECT_FALSE(good.metric_sums.contains("rewards/rejected")) << "there is no bad answer";
  EXPECT_FALSE(good.metric_sums.contains("rewards/margins"));
}

TEST(KtoLoss, RefusesARowWithoutItsMismatchedAnswerOrWithAMargin) {
  KtoLoss kto({}), apo({.zero_point = false});
  const auto alone = batch_of({{{0, 2}}});
  EXPECT_THROW(evaluate(kto, alone, {-1, -1}, {-2}), DataError);
  EXPECT_NO_THROW(evaluate(apo, alone, {-1, -1}, {-2}));
  auto batch = golden_rows();
  batch.examples[0].margin = 0.1;
  EXPECT_THROW(evaluate(kto, batch, logps(0), kReference), DataError);
}

class Bco : public ::testing::Test {
 protected:
  double train(BcoLoss& loss, double reward) {
    const auto batch = batch_of({{{0, 1}}});
    const std::vector<double> logp{reward};
    const ReferenceLogps reference{{0.0}};
    std::vector<double> d(1);
    return loss.evaluate({.batch = batch, .policy = {logp, {}}, .reference = &reference, .divisors = {.main = 1.0}}, d)
        .loss;
  }
};

TEST_F(Bco, ComparesWithTheMeanOfEveryRewardSoFarThisOneIncluded) {
  BcoLoss loss(1.0);
  EXPECT_NEAR(train(loss, 2.0), std::log(2.0), 1e-12) << "the first reward is its own mean";
  train(loss, 4.0);
  EXPECT_NEAR(loss.state()[0], 3.0, 1e-12);
  EXPECT_NEAR(train(loss, 0.0), std::log1p(std::exp(2.0)), 1e-12) << "0 against the mean 2";
}

TEST_F(Bco, EvaluationReadsTheMeanAndLeavesIt) {
  BcoLoss loss(1.0);
  train(loss, 2.0);
  const auto before = loss.state();
  EXPECT_NEAR(evaluate(loss, batch_of({{{0, 1}}}), {0.0}, {0.0}).loss, std::log1p(std::exp(2.0)), 1e-12);
  EXPECT_EQ(loss.state(), before);
}

TEST_F(Bco, GoesOnFromItsStateAsIfNeverStopped) {
  BcoLoss whole(0.1), resumed(0.1), forgetful(0.1);
  train(whole, 1.5);
  resumed.restore(whole.state());
  const double next = train(whole, -0.7);
  EXPECT_EQ(train(resumed, -0.7), next);
  EXPECT_EQ(resumed.state(), whole.state());
  EXPECT_NE(train(forgetful, -0.7), next) << "the state matters";
}

TEST_F(Bco, RefusesAStateThatIsNotItsOwn) {
  BcoLoss loss(0.1);
  EXPECT_THROW(loss.restore(std::vector<double>{1.0}), DataError);
  EXPECT_THROW(loss.restore(std::vector<double>{std::nan(""), 1.0}), DataError);
  KtoLoss stateless({});
  EXPECT_NO_THROW(stateless.restore({}));
  EXPECT_THROW(stateless.restore(std::vector<double>{1.0}), DataError);
}

}  // namespace
}  // namespace afina::dpo
