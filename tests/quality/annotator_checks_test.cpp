// SPDX-License-Identifier: Apache-2.0
#include "quality/annotator_checks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "quality/draws.h"

namespace afina::quality {
namespace {

TEST(OutlierMartingale, EqualsTheGoldenRowAndFlagsAtTheFifthVote) {
  const double p[] = {0.2, 0.2, 0.25, 0.2, 0.5, 0.25}, m[] = {2.5, 6.25, 12.5, 31.25, 31.25, 62.5};
  OutlierMartingale martingale;
  for (int i = 0; i < 6; ++i) {
    martingale.add(p[i]);
    EXPECT_NEAR(martingale.value(), m[i], 1e-9);
    EXPECT_EQ(martingale.flagged(), i >= 4) << i;
  }
}

TEST(OutlierMartingale, FlagsOneInTwentyHonestPeopleAtMostHoweverOftenOneLooks) {
  Draws draws(11);
  int flagged = 0;
  for (int person = 0; person < 2000; ++person) {
    OutlierMartingale martingale;
    for (int vote = 0; vote < 300; ++vote) {
      const double left = 0.1 + 0.8 * draws.unit();
      martingale.add(draws.unit() < left ? left : 1 - left);
    }
    flagged += martingale.flagged() ? 1 : 0;
  }
  EXPECT_LE(flagged, 100);
  EXPECT_GT(flagged, 10) << "a test that never flags would pass the line above";
}

TEST(OutlierMartingale, FindsSomebodyWhoVotesAgainstEverybody) {
  OutlierMartingale martingale;
  for (int vote = 0; vote < 20; ++vote)
    martingale.add(0.3);
  EXPECT_TRUE(martingale.flagged());
  EXPECT_THROW(martingale.add(1.5), DataError);
  EXPECT_THROW(martingale.add(NAN), DataError);
}

TEST(PositionBias, IsTheExactBinomialTest) {
  EXPECT_NEAR(position_bias_p_value(8, 10), 2 * 56.0 / 1024, 1e-12);
  EXPECT_NEAR(position_bias_p_value(2, 10), 2 * 56.0 / 1024, 1e-12);
  EXPECT_EQ(position_bias_p_value(5, 10), 1);
  EXPECT_EQ(position_bias_p_value(0, 0), 1);
  EXPECT_THROW(position_bias_p_value(3, 2), DataError);
}

TEST(AnnotatorWarnings, StartJustAboveTheirLimits) {
  AnnotatorFacts fine{.submitted = 200,
                      .median_ms = 3000,
                      .left = 40,
                      .decided = 50,
                      .gold_seen = 20,
                      .gold_passed = 14,
                      .most_repeated_reason = 4,
                      .reasons = 8};
  EXPECT_TRUE(annotator_warnings(fine).empty()) << "all exactly on the limit";
  AnnotatorFacts hasty = fine, sided = fine, wrong = fine, repeats = fine, odd = fine;
  hasty.median_ms = 2999;
  sided.left = 41;
  wrong.gold_passed = 13;
  repeats.most_repeated_reason = 5;
  odd.outlier = true;
  EXPECT_EQ(annotator_warnings(hasty), std::vector{AnnotatorWarning::haste});
  EXPECT_EQ(annotator_warnings(sided), std::vector{AnnotatorWarning::position});
  EXPECT_EQ(annotator_warnings(wrong), std::vector{AnnotatorWarning::gold});
  EXPECT_EQ(annotator_warnings(repeats), std::vector{AnnotatorWarning::repeats});
  EXPECT_EQ(annotator_warnings(odd), std::vector{AnnotatorWarning::outlier});
  hasty.submitted = 19;
  EXPECT_TRUE(annotator_warnings(hasty).empty()) << "too few to tell";
}

TEST(AnnotatorCap, IsAQuarterPercentThenARootAndNeverBelowTheFloor) {
  EXPECT_EQ(annotator_cap(0), 20);
  EXPECT_EQ(annotator_cap(1000), 20);
  EXPECT_EQ(annotator_cap(8000), 20);
  EXPECT_EQ(annotator_cap(8400), 21);
  EXPECT_EQ(annotator_cap(160'000), 400);
  EXPECT_EQ(annotator_cap(1'000'000), 1000) << "1/√n from 160,000 on";
  EXPECT_EQ(annotator_cap(1000, 0), 2);
  EXPECT_THROW(annotator_cap(-1), UsageError);
}

// What stays of each group, as a share of all that stays.
double largest_share(const std::vector<int64_t>& groups, int64_t others, int64_t cap) {
  int64_t stays = others;
  for (const int64_t n : groups)
    stays += std::min(n, cap);
  return static_cast<double>(cap) / static_cast<double>(stays);
}

TEST(NetworkCap, IsAShareOfWhatStaysAndNotOfWhatCame) {
  EXPECT_EQ(network_cap(std::vector<int64_t>{5'000}, 99'000, 0.01), 1000);
  EXPECT_EQ(network_cap(std::vector<int64_t>{5'000'000}, 99'000, 0.01), 1000) << "a flood does not raise its own cap";
  const std::vector<int64_t> uneven{9'000, 4'000, 500, 300, 20};
  const int64_t cap = network_cap(uneven, 200'000, 0.01);
  EXPECT_LE(largest_share(uneven, 200'000, cap), 0.01);
  EXPECT_GT(largest_share(uneven, 200'000, cap + 1), 0.01) << "and no smaller than it must be";
  EXPECT_GE(network_cap(std::vector<int64_t>(200, 500), 0, 0.01), 500) << "200 alike: nobody has too much";
}

TEST(NetworkCap, LeavesSmallSetsAlone) {
  EXPECT_EQ(network_cap({}, 0, 0.01), 100);
  EXPECT_EQ(network_cap(std::vector<int64_t>{80, 60}, 0, 0.01), 100) << "two schools";
  EXPECT_EQ(network_cap(std::vector<int64_t>{800}, 200, 0.01), 100);
  EXPECT_EQ(network_cap(std::vector<int64_t>{800}, 200, 0.01, 0), 2);
  EXPECT_EQ(network_cap(std::vector<int64_t>{800}, 0, 0.5, 0), 0) << "alone it would always be all";
}

TEST(NetworkCap, RefusesWhatIsNoShareOrNumber) {
  const std::vector<int64_t> one{5};
  for (const double share : {0.0, 1.0, -0.1, 2.0, std::nan("")})
    EXPECT_THROW(network_cap(one, 0, share), UsageError) << share;
  EXPECT_THROW(network_cap(one, -1, 0.5), UsageError);
  EXPECT_THROW(network_cap(one, 0, 0.5, -1), UsageError);
  EXPECT_THROW(network_cap(std::vector<int64_t>{-5}, 0, 0.5), UsageError);
}

}  // namespace
}  // namespace afina::quality
