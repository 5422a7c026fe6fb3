// SPDX-License-Identifier: Apache-2.0
// Golden values: TRL's own code on four completions (c = [-20,-35], r = [-24,-33], reference c = [-21,-34], r =
// [-22.5,-33.5], beta 0.1), and closed forms for soft labels and margins at d = 0.25.
#include "dpo/make_objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "dpo/preference_loss.h"
#include "tests/dpo/batches.h"

namespace afina::dpo {
namespace {

const std::vector<double> kPolicy = {-20, -24, -35, -33};
const ReferenceLogps kReference = {{-21, -22.5, -34, -33.5}};

ObjectiveResult evaluate(const datasets::PackedBatch& batch, const std::vector<double>& policy,
                         const ReferenceLogps& reference, std::vector<double>* derivatives = nullptr) {
  std::vector<double> local(batch.targets.size());
  PreferenceLoss loss({.beta = 0.1});
  const std::vector<double> logps = spread(batch, policy);
  const auto result = loss.evaluate(
      {.batch = batch, .policy = {logps, {}}, .reference = &reference, .divisors = loss.divisor_share(batch)}, local);
  if (derivatives != nullptr) *derivatives = local;
  return result;
}

TEST(PreferenceLoss, EqualsTrlsSigmoidOnTheGoldenPairs) {
  const auto result = evaluate(pair_batch({{10, 12}, {14, 11}}), kPolicy, kReference);
  EXPECT_NEAR(result.loss, 0.673448, 1e-6);
  EXPECT_NEAR(result.metric_sums.at("rewards/chosen") / result.metric_weight, 0.0, 1e-12);
  EXPECT_NEAR(result.metric_sums.at("rewards/rejected") / result.metric_weight, -0.05, 1e-12);
  EXPECT_NEAR(result.metric_sums.at("rewards/margins") / result.metric_weight, 0.05, 1e-12);
  EXPECT_EQ(result.metric_sums.at("rewards/accuracies") / result.metric_weight, 0.5);
}

TEST(PreferenceLoss, IsLogTwoWhenThePolicyIsTheReference) {
  auto batch = pair_batch({{3, 4}});
  for (const double q : {0.5, 0.8, 1.0}) {
    batch.examples[0].soft_label = q;
    EXPECT_NEAR(evaluate(batch, {-5, -9}, {{-5, -9}}).loss, std::log(2.0), 1e-12);
  }
}

TEST(PreferenceLoss, FollowsTheClosedFormsOfSoftLabelsAndMargins) {
  // d = 0.25: label smoothing .1, q = .75, q = .5, margins .1 and .3.
  EXPECT_NEAR(sigmoid_loss(0.25, 1.0).value, 0.575939, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25, 0.9).value, 0.600939, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25, 0.75).value, 0.638439, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25, 0.75).slope, -0.187823, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25, 0.5).slope, 0.062177, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25 - 0.1, 1.0).value, 0.620957, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25 - 0.3, 1.0).value, 0.718460, 1e-6);
}

TEST(PreferenceLoss, WeighsPairsByTheirWeightsOverTheWholeBatch) {
  auto batch = pair_batch({{10, 12}, {14, 11}});
  batch.examples[0].weight = 3.0;
  const double first = sigmoid_loss(0.25, 1.0).value, second = sigmoid_loss(-0.15, 1.0).value;
  EXPECT_NEAR(evaluate(batch, kPolicy, kReference).loss, (3 * first + second) / 4, 1e-12);
}

TEST(PreferenceLoss, DerivativesAgreeWithFiniteDifferences) {
  auto batch = pair_batch({{2, 3}, {1, 2}});
  batch.examples[0].soft_label = 0.7;
  batch.examples[0].margin = 0.2;
  batch.examples[1].weight = 2.5;
  batch.targets[1].weight = 0.4F;
  PreferenceLoss loss({.beta = 0.3});
  std::vector<double> tokens;
  for (size_t i = 0; i < batch.targets.size(); ++i)
    tokens.push_back(-0.5 - 0.3 * static_cast<double>(i));
  const ReferenceLogps reference{{-1.0, -2.0, -3.0, -4.0}};
  std::vector<double> derivatives(batch.targets.size()), ignored(batch.targets.size());
  const auto at = [&](const std::vector<double>& logps, std::vector<double>& out) {
    return loss.evaluate({.batch = batch, .policy = {logps, {}}, .reference = &reference, .divisors = {.main = 3.5}},
                         out);
  };
  at(tokens, derivatives);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const double h = 1e-6;
    auto up = tokens, down = tokens;
    up[i] += h;
    down[i] -= h;
    const double slope = (at(up, ignored).loss - at(down, ignored).loss) / (2 * h);
    EXPECT_NEAR(derivatives[i], slope, 1e-8) << i;
  }
}

TEST(PreferenceLoss, StaysFiniteForExtremeRatios) {
  const auto result = evaluate(pair_batch({{1, 1}}), {0, -1e6}, {{-1e6, 0}});
  EXPECT_TRUE(std::isfinite(result.loss));
  EXPECT_TRUE(std::isfinite(evaluate(pair_batch({{1, 1}}), {-1e6, 0}, {{0, -1e6}}).loss));
}

TEST(PreferenceLoss, RefusesABetaThatIsNotAboveZero) {
  EXPECT_THROW(make_objective({.kind = "dpo", .beta = 0.0}), UsageError);
}

}  // namespace
}  // namespace afina::dpo
