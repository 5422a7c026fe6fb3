// SPDX-License-Identifier: Apache-2.0
// Golden values: TRL's own code on four completions (c = [-20,-35], r = [-24,-33], reference c = [-21,-34], r =
// [-22.5,-33.5], beta 0.1, lengths c = [10,14], r = [12,11]), and closed forms for soft labels and margins at d = 0.25.
#include "dpo/preference_loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "dpo/make_objective.h"
#include "tests/dpo/batches.h"

namespace afina::dpo {
namespace {

const std::vector<double> kPolicy = {-20, -24, -35, -33};
const std::vector<double> kReference = {-21, -22.5, -34, -33.5};

datasets::PackedBatch golden_pairs() {
  return pair_batch({{10, 12}, {14, 11}});
}

ObjectiveResult golden(const ObjectiveOptions& options) {
  const auto batch = golden_pairs();
  return evaluate(*make_objective(options), batch, spread(batch, kPolicy), kReference);
}

double golden_loss(const std::string& type, double label_smoothing = 0.0,
                   const std::string& divergence = "reverse_kl") {
  return golden(
             {.kind = "dpo", .loss_type = {type}, .label_smoothing = label_smoothing, .f_divergence_type = divergence})
      .loss;
}

TEST(PreferenceLoss, EqualsTrlOnTheGoldenPairs) {
  EXPECT_NEAR(golden_loss("sigmoid"), 0.673448, 1e-6);
  EXPECT_NEAR(golden_loss("hinge"), 0.95, 1e-6);
  EXPECT_NEAR(golden_loss("ipo"), 24.491559, 1e-6);
  EXPECT_NEAR(golden_loss("sigmoid_norm"), 0.690484, 1e-6);
  EXPECT_NEAR(golden_loss("sppo_hard"), 47.25, 1e-6);
  EXPECT_NEAR(golden_loss("exo_pair", 1e-3), 2.681049, 1e-6);
  EXPECT_NEAR(golden_loss("nca_pair"), 1.376449, 1e-6);
  EXPECT_NEAR(golden_loss("robust", 0.1), 0.667198, 1e-6);
  EXPECT_NEAR(golden_loss("bco_pair"), 1.364105, 1e-6);
  EXPECT_NEAR(golden_loss("aot"), 0.673448, 1e-6);
  EXPECT_NEAR(golden_loss("aot", 0.1), 0.678448, 1e-6);
  EXPECT_NEAR(golden_loss("aot_unpaired"), 0.668460, 1e-6);
  EXPECT_NEAR(golden_loss("apo_zero"), 0.987534, 1e-6);
  EXPECT_NEAR(golden_loss("apo_down"), 0.987627, 1e-6);
  EXPECT_NEAR(golden_loss("discopop"), 0.783469, 1e-6);
  EXPECT_NEAR(golden_loss("sigmoid", 0.0, "forward_kl"), 0.656381, 1e-6);
  EXPECT_NEAR(golden_loss("sigmoid", 0.0, "js_divergence"), 0.681066, 1e-6);
  EXPECT_NEAR(golden_loss("sigmoid", 0.0, "alpha_divergence"), 0.668691, 1e-6);
}

TEST(PreferenceLoss, SmoothsLabelsOfSigmoidAsCdpoWhereTrlIgnoresThem) {
  EXPECT_NEAR(golden_loss("sigmoid", 0.1), 0.678448, 1e-6);
}

TEST(PreferenceLoss, LogsTrlsMetrics) {
  const auto result = golden({.kind = "dpo"});
  EXPECT_NEAR(metric(result, "rewards/chosen"), 0.0, 1e-12);
  EXPECT_NEAR(metric(result, "rewards/rejected"), -0.05, 1e-12);
  EXPECT_NEAR(metric(result, "rewards/margins"), 0.05, 1e-12);
  EXPECT_EQ(metric(result, "rewards/accuracies"), 0.5);
  EXPECT_NEAR(metric(result, "logps/chosen"), -27.5, 1e-12);
}

TEST(PreferenceLoss, HasItsKnownValueWhenThePolicyIsTheReference) {
  auto batch = pair_batch({{3, 4}});
  const auto first = [&](const char* type, double soft_label = 1.0) {
    batch.examples[0].soft_label = soft_label;
    const auto objective = make_objective({.kind = "dpo", .loss_type = {type}});
    return evaluate(*objective, batch, spread(batch, {-5, -9}), {-5, -9});
  };
  for (const double q : {0.5, 0.8, 1.0})
    EXPECT_NEAR(first("sigmoid", q).loss, std::log(2.0), 1e-12);
  EXPECT_NEAR(first("sigmoid_norm").loss, std::log(2.0), 1e-12);
  EXPECT_NEAR(first("ipo").loss, 25.0, 1e-12) << "1/(4 beta^2)";
  EXPECT_NEAR(first("hinge").loss, 1.0, 1e-12);
  EXPECT_NEAR(first("apo_zero").loss, 1.0, 1e-12);
  EXPECT_NEAR(first("sppo_hard").loss, 50.0, 1e-12) << "1/(2 beta^2)";
  EXPECT_NEAR(first("davidson").loss, std::log(3.0), 1e-12) << "log(2 + nu)";
  EXPECT_EQ(metric(first("sigmoid"), "rewards/accuracies"), 0.0) << "equal rewards are not right";
}

TEST(PreferenceLoss, FollowsTheClosedFormsOfSoftLabelsAndMargins) {
  // d = 0.25: label smoothing .1, q = .75, q = .5, margins .1 and .3.
  EXPECT_NEAR(sigmoid_loss(0.25, 1.0).value, 0.575939, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25, smoothed(1.0, 0.1)).value, 0.600939, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25, 0.75).value, 0.638439, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25, 0.75).slope, -0.187823, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25, 0.5).slope, 0.062177, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25 - 0.1, 1.0).value, 0.620957, 1e-6);
  EXPECT_NEAR(sigmoid_loss(0.25 - 0.3, 1.0).value, 0.718460, 1e-6);
}

TEST(PreferenceLoss, AsksTheMarginOfEveryType) {
  auto batch = golden_pairs();
  for (auto& example : batch.examples)
    example.margin = 0.3;
  for (const char* type : {"sigmoid", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "discopop",
                           "sigmoid_norm", "davidson"}) {
    const auto objective = make_objective({.kind = "dpo", .loss_type = {type}});
    const double with = evaluate(*objective, batch, spread(batch, kPolicy), kReference).loss;
    EXPECT_GT(with, golden_loss(type) + 1e-3) << type;
  }
}

TEST(PreferenceLoss, WeighsPairsByTheirWeightsOverTheWholeBatch) {
  auto batch = golden_pairs();
  batch.examples[0].weight = 3.0;
  const double first = sigmoid_loss(0.25, 1.0).value, second = sigmoid_loss(-0.15, 1.0).value;
  PreferenceLoss loss({.beta = 0.1});
  EXPECT_NEAR(evaluate(loss, batch, spread(batch, kPolicy), kReference).loss, (3 * first + second) / 4, 1e-12);
}

TEST(PreferenceLoss, TrainsTheLikelihoodOfBothAnswersInProportionToASoftLabel) {
  auto batch = pair_batch({{2, 4}});
  batch.examples[0].soft_label = 0.75;
  const auto objective = make_objective({.kind = "dpo", .loss_type = {"sft"}});
  std::vector<double> d;
  const auto result = evaluate(*objective, batch, {-1, -2, -3, -4, -5, -6}, {0, 0}, &d);
  EXPECT_NEAR(result.loss, (0.75 * 3 + 0.25 * 18) / (0.75 * 2 + 0.25 * 4), 1e-12);
  EXPECT_NEAR(d[0], -0.75 / 2.5, 1e-12);
  EXPECT_NEAR(d[5], -0.25 / 2.5, 1e-12);
}

TEST(PreferenceLoss, NeedsSumsOfSquaredProbabilitiesForWpoAlone) {
  const auto wpo = make_objective({.kind = "dpo", .use_weighting = true});
  EXPECT_TRUE(wpo->needs_sum_p2());
  EXPECT_FALSE(make_objective({.kind = "dpo"})->needs_sum_p2());
  const auto batch = golden_pairs();
  EXPECT_THROW(evaluate(*wpo, batch, spread(batch, kPolicy), kReference), InternalError);
}

TEST(PreferenceLoss, CutsAScoreThatWouldOverflow) {
  EXPECT_NEAR(divergence_score(Divergence::forward_kl, 0.5, -79.0).slope, std::exp(79.0), 1e25);
  const Derived cut = divergence_score(Divergence::forward_kl, 0.5, -1e6);
  EXPECT_NEAR(cut.value, -std::expm1(80.0), 1e25);
  EXPECT_EQ(cut.slope, 0.0);
  EXPECT_EQ(divergence_score(Divergence::alpha_divergence, 1.0 + 1e-7, 3.0).value, 3.0) << "the limit is reverse_kl";
}

TEST(Aot, RefusesLabelsOfPairsByTheirRowBecauseSortedSamplesHaveNone) {
  for (const char* type : {"aot", "aot_unpaired"}) {
    const auto objective = make_objective({.kind = "dpo", .loss_type = {type}});
    auto batch = golden_pairs();
    batch.examples[1].row = 99;
    batch.examples[1].soft_label = 0.8;
    try {
      evaluate(*objective, batch, spread(batch, kPolicy), kReference);
      FAIL() << type;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find("row 99"), std::string::npos);
      EXPECT_NE(std::string(error.what()).find("label_mode=hard"), std::string::npos);
    }
  }
}

TEST(Ties, FollowTheirClosedForms) {
  // By the probabilities themselves, written out in Python: win .6, tie .3, loss .1 at z = 0.25.
  EXPECT_NEAR(davidson_loss(0.25, {.q = 0.75, .tie = 0.3}, 1.0).value, 1.0413138555830073, 1e-12);
  EXPECT_NEAR(davidson_loss(0.25, {}, 1.0).value, 0.9788138555830073, 1e-12);
  EXPECT_NEAR(davidson_loss(0.0, {.q = 0.5, .tie = 1.0}, 1.0).value, std::log(3.0), 1e-12);
  EXPECT_NEAR(rao_kupper_loss(0.25, {.q = 0.75, .tie = 0.3}, 3.0).value, 1.0923339969035852, 1e-12);
  EXPECT_NEAR(rao_kupper_loss(0.25, {}, 3.0).value, 1.2048930855015492, 1e-12);
}

TEST(Ties, PullATiedPairTogetherFromEitherSide) {
  const Label tied{.q = 0.5, .tie = 1.0};
  EXPECT_GT(davidson_loss(1.0, tied, 1.0).slope, 0.0);
  EXPECT_LT(davidson_loss(-1.0, tied, 1.0).slope, 0.0);
  EXPECT_GT(rao_kupper_loss(1.0, tied, 2.0).slope, 0.0);
  EXPECT_NEAR(rao_kupper_loss(0.0, tied, 2.0).slope, 0.0, 1e-12);
}

TEST(Ties, BecomeTheSigmoidWhereNoTieIsPossible) {
  EXPECT_NEAR(davidson_loss(0.7, {.q = 0.8}, 1e-300).value, sigmoid_loss(0.7, 0.8).value, 1e-12);
  EXPECT_NEAR(rao_kupper_loss(0.7, {.q = 0.8}, 1.0 + 1e-12).value, sigmoid_loss(0.7, 0.8).value, 1e-9);
}

TEST(Ties, RefuseATieShareThatLeavesNoRoomForTheLabel) {
  auto batch = golden_pairs();
  batch.examples[1].tie = 0.5;  // q = 1 leaves none
  const auto objective = make_objective({.kind = "dpo", .loss_type = {"davidson"}});
  EXPECT_THROW(evaluate(*objective, batch, spread(batch, kPolicy), kReference), DataError);
}

}  // namespace
}  // namespace afina::dpo
