// SPDX-License-Identifier: Apache-2.0
// The first two tables are Krippendorff's own examples; '.' is a missing value.
#include "quality/krippendorff.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "quality/draws.h"

namespace afina::quality {
namespace {

AlphaTally tally(const std::vector<std::string>& raters) {
  std::vector<UnitValue> values;
  for (const auto& rater : raters) {
    std::istringstream words(rater);
    std::string word;
    for (uint32_t unit = 0; words >> word; ++unit) {
      if (word != ".") values.push_back({unit, std::stod(word)});
    }
  }
  return tally_units(values);
}

const std::vector<std::string> kFourByTwelve{"1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3",
                                             ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."};

TEST(KrippendorffAlpha, EqualsThePublishedFourRatersWithMissingValues) {
  const AlphaTally t = tally(kFourByTwelve);
  EXPECT_EQ(t.alpha(Scale::nominal).values, 40);
  EXPECT_EQ(t.alpha(Scale::nominal).units, 11) << "one unit has a single value";
  EXPECT_NEAR(t.alpha(Scale::nominal).value, 0.743421, 1e-6);
  EXPECT_NEAR(t.alpha(Scale::ordinal).value, 0.815388, 1e-6);
  EXPECT_NEAR(t.alpha(Scale::interval).value, 0.849107, 1e-6);
  EXPECT_NEAR(t.alpha(Scale::ratio).value, 0.797403, 1e-6);
}

TEST(KrippendorffAlpha, EqualsThePublishedThreeRaters) {
  const AlphaTally t =
      tally({". . . . . 3 4 1 2 1 1 3 3 . 3", "1 . 2 1 3 3 4 3 . . . . . . .", ". . 2 1 3 4 4 . 2 1 1 3 3 . 4"});
  EXPECT_EQ(t.alpha(Scale::nominal).values, 26);
  EXPECT_NEAR(t.alpha(Scale::nominal).value, 0.691358, 1e-6);
  EXPECT_NEAR(t.alpha(Scale::ordinal).value, 0.806721, 1e-6);
  EXPECT_NEAR(t.alpha(Scale::interval).value, 0.810845, 1e-6);
  EXPECT_NEAR(t.alpha(Scale::ratio).value, 0.808944, 1e-6);
}

TEST(KrippendorffAlpha, TakesGradesOfBothSigns) {
  const AlphaTally t = tally({"3 -1 0 2 -3 1 2 0", "2 -2 0 2 -3 -1 3 .", "3 -1 1 . -2 1 2 0"});
  EXPECT_NEAR(t.alpha(Scale::nominal).value, 0.382353, 1e-6);
  EXPECT_NEAR(t.alpha(Scale::ordinal).value, 0.885587, 1e-6);
  EXPECT_NEAR(t.alpha(Scale::interval).value, 0.885938, 1e-6);
  EXPECT_THROW(t.alpha(Scale::ratio), DataError) << "−3 and 3 have no ratio";
}

TEST(KrippendorffAlpha, CallsUnanimityUndefinedAndNothingTooFew) {
  AlphaTally t;
  EXPECT_EQ(t.alpha(Scale::nominal).state, AlphaState::too_few);
  t.add(std::vector<double>{1});
  EXPECT_EQ(t.alpha(Scale::nominal).state, AlphaState::too_few);
  t.add(std::vector<double>{1, 1});
  t.add(std::vector<double>{1, 1, 1});
  const Alpha alpha = t.alpha(Scale::interval, {.resamples = 100});
  EXPECT_EQ(alpha.state, AlphaState::unanimous);
  EXPECT_FALSE(alpha.interval);
}

TEST(KrippendorffAlpha, IsTheSameWhenUnitsComeAndGoOneByOne) {
  AlphaTally t = tally(kFourByTwelve);
  const double before = t.alpha(Scale::ordinal).value;
  t.add(std::vector<double>{5, 1, 4});
  EXPECT_NE(t.alpha(Scale::ordinal).value, before);
  t.remove(std::vector<double>{4, 5, 1});
  EXPECT_EQ(t.alpha(Scale::ordinal).value, before);
  EXPECT_THROW(t.remove(std::vector<double>{4, 5, 1}), DataError);
}

// Two raters who agree with probability 0.8 and guess evenly otherwise have nominal α = 0.8; a right interval holds it
// in about 95 of 100 samples.
TEST(KrippendorffAlpha, BootstrapIntervalHoldsTheTruthAboutAsOftenAsItSays) {
  Draws draws(7);
  int held = 0;
  for (int sample = 0; sample < 200; ++sample) {
    AlphaTally t;
    for (int unit = 0; unit < 150; ++unit) {
      const auto first = static_cast<double>(draws.below(3));
      t.add(std::vector<double>{first, draws.unit() < 0.8 ? first : static_cast<double>(draws.below(3))});
    }
    const Alpha alpha = t.alpha(Scale::nominal, {.resamples = 400, .seed = static_cast<uint64_t>(sample)});
    held += alpha.interval->low <= 0.8 && 0.8 <= alpha.interval->high ? 1 : 0;
  }
  EXPECT_GE(held, 180);
  EXPECT_LE(held, 199);
}

TEST(KrippendorffAlpha, BootstrapRepeatsForOneSeedAndMovesWithAnother) {
  const AlphaTally t = tally(kFourByTwelve);
  const auto interval = [&](uint64_t seed) { return *t.alpha(Scale::ordinal, {.seed = seed}).interval; };
  EXPECT_EQ(interval(3).low, interval(3).low);
  EXPECT_NE(interval(3).low, interval(4).low);
  EXPECT_LT(interval(3).low, 0.815388);
  EXPECT_GT(interval(3).high, 0.815388);
}

TEST(KrippendorffAlpha, RefusesBadValuesAndSettings) {
  AlphaTally t = tally(kFourByTwelve);
  EXPECT_THROW(t.add(std::vector<double>{1, NAN}), DataError);
  EXPECT_THROW(t.add(std::vector<double>{1, std::numeric_limits<double>::infinity()}), DataError);
  EXPECT_THROW(t.alpha(Scale::nominal, {.resamples = 5}), UsageError);
  EXPECT_THROW(t.alpha(Scale::nominal, {.confidence = 1}), UsageError);
  AlphaTally many;
  for (int i = 0; i < 512; ++i)
    many.add(std::vector<double>{2.0 * i, 2.0 * i + 1});
  EXPECT_THROW(many.add(std::vector<double>{5000, 5001}), DataError);
  EXPECT_EQ(many.alpha(Scale::nominal).units, 512) << "a refused unit leaves the tally as it was";
}

}  // namespace
}  // namespace afina::quality
