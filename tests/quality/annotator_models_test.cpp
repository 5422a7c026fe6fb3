// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "quality/dawid_skene.h"
#include "quality/draws.h"
#include "quality/mace.h"

namespace afina::quality {
namespace {

// One word an item, one letter a rater; '.' is missing.
std::vector<Label> labels_of(const std::vector<std::string>& items) {
  std::vector<Label> out;
  for (uint32_t item = 0; item < items.size(); ++item) {
    for (uint32_t rater = 0; rater < items[item].size(); ++rater) {
      if (items[item][rater] != '.') out.push_back({item, rater, static_cast<uint32_t>(items[item][rater] - '0')});
    }
  }
  return out;
}

const std::vector<std::string> kThreeRaters{"001", "110", "000", "101", "110", "011", "11.", "001"};

TEST(DawidSkene, EqualsTheGoldenFirstStep) {
  const auto labels = labels_of(kThreeRaters);
  DawidSkeneFit fit = fit_dawid_skene(labels, 8, 3, 2, {.one_coin_below = 0, .max_iterations = 1});
  const double q[] = {0.150494, 0.963733, 0.209943, 0.639190, 0.963733, 0.639190, 0.955073, 0.150494};
  for (uint32_t j = 0; j < 8; ++j)
    EXPECT_NEAR(fit.q(j, 1), q[j], 1e-6) << j;
}

TEST(DawidSkene, EqualsTheGoldenEndAndTurnsTwoItemsAgainstTheMajority) {
  const auto labels = labels_of(kThreeRaters);
  const auto fit = fit_dawid_skene(labels, 8, 3, 2, {.one_coin_below = 0, .max_iterations = 5000, .tolerance = 1e-15});
  const double q[] = {0.087191, 0.853963, 0.253140, 0.284052, 0.853963, 0.284052, 0.750492, 0.087191};
  for (uint32_t j = 0; j < 8; ++j)
    EXPECT_NEAR(fit.q(j, 1), q[j], 1e-6) << j;
  EXPECT_NEAR(fit.prior[1], 0.431755, 1e-6);
  EXPECT_LT(fit.q(3, 1), 0.5);
  EXPECT_LT(fit.q(5, 1), 0.5);
}

struct Crowd {
  std::vector<Label> labels;
  std::vector<uint32_t> truth;
};
Crowd crowd(uint64_t seed, uint32_t items, const std::vector<double>& accuracy, uint32_t classes, double coverage) {
  Draws draws(seed);
  Crowd out;
  for (uint32_t item = 0; item < items; ++item) {
    out.truth.push_back(static_cast<uint32_t>(draws.below(classes)));
    for (uint32_t rater = 0; rater < accuracy.size(); ++rater) {
      if (draws.unit() >= coverage) continue;
      const auto wrong = static_cast<uint32_t>((out.truth[item] + 1 + draws.below(classes - 1)) % classes);
      out.labels.push_back({item, rater, draws.unit() < accuracy[rater] ? out.truth[item] : wrong});
    }
  }
  return out;
}

TEST(DawidSkene, FindsHowOftenEachAnnotatorIsRight) {
  const std::vector<double> accuracy{0.95, 0.9, 0.8, 0.7, 0.5, 0.2};
  const Crowd c = crowd(4, 2000, accuracy, 2, 0.8);
  const auto fit = fit_dawid_skene(c.labels, 2000, 6, 2);
  EXPECT_TRUE(fit.converged);
  const auto found = reliabilities(fit, c.labels);
  for (size_t w = 0; w < accuracy.size(); ++w) {
    EXPECT_NEAR(found[w].mean, accuracy[w], 0.03) << w;
    EXPECT_LT(found[w].interval.high - found[w].interval.low, 0.06);
  }
  EXPECT_NEAR(label_weight(found[0], 2), 0.9, 0.06);
  EXPECT_LT(label_weight(found[4], 2), 0.06) << "a coin says nothing";
  EXPECT_EQ(label_weight(found[5], 2), 0) << "and a liar is not turned round";
}

TEST(DawidSkene, IsSlowToCallAnAnnotatorOfFewLabelsPerfect) {
  Crowd c = crowd(5, 300, {0.9, 0.9, 0.9}, 3, 1.0);
  for (uint32_t item = 0; item < 4; ++item)
    c.labels.push_back({item, 3, c.truth[item]});
  const auto fit = fit_dawid_skene(c.labels, 300, 4, 3);
  const auto found = reliabilities(fit, c.labels);
  EXPECT_LT(found[3].mean, 0.85);
  EXPECT_LT(found[3].interval.low, 0.55);
  // One coin: every wrong cell alike.
  EXPECT_DOUBLE_EQ(fit.confusion[(3 * 3 + 0) * 3 + 1], fit.confusion[(3 * 3 + 2) * 3 + 0]);
  EXPECT_NE(fit.confusion[1], fit.confusion[2]) << "those with 300 labels have a whole matrix";
}

TEST(DawidSkene, KeepsGoldItemsClampedAndLearnsFromThem) {
  // Two against one; gold says the one is right.
  std::vector<std::string> items(40, "110");
  const auto labels = labels_of(items);
  DawidSkeneOptions options{.one_coin_below = 0};
  for (uint32_t item = 0; item < 20; ++item)
    options.gold.emplace_back(item, 0);
  const auto fit = fit_dawid_skene(labels, 40, 3, 2, options);
  EXPECT_EQ(fit.q(0, 0), 1);
  EXPECT_GT(fit.q(39, 0), 0.9);
  EXPECT_LT(fit_dawid_skene(labels, 40, 3, 2, {.one_coin_below = 0}).q(39, 0), 0.1) << "without gold the majority wins";
}

TEST(DawidSkene, SurvivesThousandsOfLabelsOnOneItem) {
  std::vector<Label> labels;
  for (uint32_t w = 0; w < 3000; ++w)
    labels.push_back({0, w, w % 3 == 0 ? 1u : 0u});
  const auto fit = fit_dawid_skene(labels, 2, 3000, 2);
  EXPECT_TRUE(std::isfinite(fit.q(0, 0)));
  EXPECT_NEAR(fit.q(0, 0) + fit.q(0, 1), 1, 1e-12);
  EXPECT_NEAR(fit.q(1, 0), fit.prior[0], 1e-9) << "an item without labels has the classes' shares";
}

TEST(DawidSkene, RefusesLabelsOutOfRange) {
  const std::vector<Label> labels{{0, 0, 1}};
  EXPECT_THROW(fit_dawid_skene({}, 1, 1, 2), DataError);
  EXPECT_THROW(fit_dawid_skene(labels, 1, 1, 1), DataError);
  EXPECT_THROW(fit_dawid_skene(std::vector<Label>{{1, 0, 0}}, 1, 1, 2), DataError);
  EXPECT_THROW(fit_dawid_skene(std::vector<Label>{{0, 0, 2}}, 1, 1, 2), DataError);
  EXPECT_THROW(fit_dawid_skene(labels, 1, 1, 2, {.gold = {{3, 0}}}), DataError);
  EXPECT_THROW(fit_dawid_skene(labels, 1, 1, 2, {.prior = -1}), UsageError);
}

TEST(Mace, SetsSpammersApart) {
  Crowd c = crowd(6, 400, {0.95, 0.9, 0.85, 0.8}, 4, 0.9);
  Draws draws(1);
  for (uint32_t item = 0; item < 400; ++item) {
    c.labels.push_back({item, 4, 2});  // always the same
    c.labels.push_back({item, 5, static_cast<uint32_t>(draws.below(4))});
  }
  const auto fit = fit_mace(c.labels, 400, 6, 4);
  for (size_t w = 0; w < 4; ++w)
    EXPECT_GT(fit.knowing[w], 0.7) << w;
  EXPECT_LT(fit.knowing[4], 0.1);
  EXPECT_LT(fit.knowing[5], 0.1);
  EXPECT_GT(fit.strategy[4 * 4 + 2], 0.9) << "one spams with class 2";
  int right = 0;
  for (uint32_t item = 0; item < 400; ++item)
    right += fit.posterior[item * 4 + c.truth[item]] > 0.5 ? 1 : 0;
  EXPECT_GT(right, 380);
  EXPECT_EQ(fit_mace(c.labels, 400, 6, 4).knowing, fit.knowing) << "one seed, one result";
}

TEST(Mace, RefusesLabelsAndStartsOutOfShape) {
  const std::vector<Label> labels{{0, 0, 1}};
  EXPECT_THROW(fit_mace({}, 1, 1, 2), DataError);
  EXPECT_THROW(fit_mace(std::vector<Label>{{0, 1, 0}}, 1, 1, 2), DataError);
  EXPECT_THROW(fit_mace(labels, 1, 1, 1), DataError);
  EXPECT_THROW(fit_mace(labels, 1, 1, 2, {.restarts = 0}), UsageError);
  EXPECT_THROW(fit_mace(labels, 1, 1, 2, {.start = MaceStart{{0.5}, {0.5}}}), UsageError);
}

}  // namespace
}  // namespace afina::quality
