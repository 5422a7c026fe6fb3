// SPDX-License-Identifier: Apache-2.0
// Curves, lists, numbers and votes as pure functions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/utf8.h"
#include "gui/view_model/format.h"
#include "gui/view_model/paging.h"
#include "gui/view_model/series.h"
#include "gui/view_model/votes.h"
#include "tests/gui/fake_source.h"

namespace afina::gui {
namespace {

Series line(size_t count) {
  Series series;
  for (size_t i = 0; i < count; ++i) {
    series.steps.push_back(static_cast<double>(i));
    series.values.push_back(std::sin(static_cast<double>(i) * 0.01));
  }
  return series;
}

TEST(Smooth, StartsAtTheFirstValueInsteadOfZero) {
  // w = 0.5: s1 = 0.5·4 / (1 − 0.5) = 4; s2 = (0.5·2 + 0.5·2) / (1 − 0.25) = 8/3.
  const Series out = smooth({{1, 2}, {4, 2}}, 0.5);
  EXPECT_DOUBLE_EQ(out.values[0], 4);
  EXPECT_DOUBLE_EQ(out.values[1], 8.0 / 3);
}

TEST(Smooth, OneNotANumberDoesNotSpoilTheRest) {
  const Series out = smooth({{1, 2, 3}, {1, std::nan(""), 1}}, 0.9);
  EXPECT_TRUE(std::isnan(out.values[1]));
  EXPECT_DOUBLE_EQ(out.values[2], 1);
}

TEST(Smooth, WeightZeroChangesNothing) {
  const Series series = line(10);
  EXPECT_EQ(smooth(series, 0), series);
}

TEST(Decimate, KeepsAPeakOfOneStepAmongAHundredThousand) {
  Series series = line(100'000);
  series.values[54'321] = 99;
  series.values[12'345] = -99;
  const Series out = decimate(series, 0, 99'999, 300);
  EXPECT_LE(out.steps.size(), 4U * 302);
  EXPECT_DOUBLE_EQ(*std::max_element(out.values.begin(), out.values.end()), 99);
  EXPECT_DOUBLE_EQ(*std::min_element(out.values.begin(), out.values.end()), -99);
  EXPECT_TRUE(std::is_sorted(out.steps.begin(), out.steps.end()));
  EXPECT_DOUBLE_EQ(out.steps.front(), 0);
  EXPECT_DOUBLE_EQ(out.steps.back(), 99'999);
}

TEST(Decimate, LeavesShortCurvesAlone) {
  const Series series = line(100);
  EXPECT_EQ(decimate(series, -10, 1000, 300), series);
}

TEST(Decimate, AddsOneNeighbourOutsideTheViewSoThatTheLineReachesTheEdge) {
  const Series out = decimate(line(100), 10.5, 12.5, 50);
  EXPECT_EQ(out.steps, (std::vector<double>{10, 11, 12, 13}));
}

TEST(Decimate, AnEmptyOrInvertedViewIsNoError) {
  EXPECT_TRUE(decimate({}, 0, 1, 10).steps.empty());
  EXPECT_LE(decimate(line(1000), 5, 5, 1).steps.size(), 4U);
}

TEST(ValueRange, IgnoresInfinitiesAndWidensAFlatCurve) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(value_range({{1, 2}, {infinity, std::nan("")}}), std::nullopt);
  const auto flat = value_range({{1, 2, 3}, {2, 2, infinity}});
  EXPECT_LT(flat->first, 2);
  EXPECT_GT(flat->second, 2);
}

TEST(Paging, CountsAndClamps) {
  EXPECT_EQ(page_count(0, 50), 1);
  EXPECT_EQ(page_count(50, 50), 1);
  EXPECT_EQ(page_count(51, 50), 2);
  EXPECT_EQ(clamp_page(9, 120, 50), 2);
  EXPECT_EQ(clamp_page(-1, 120, 50), 0);
  EXPECT_EQ(rows_on_page(2, 120, 50), (RowRange{101, 120}));
  EXPECT_EQ(rows_on_page(0, 0, 50), (RowRange{0, 0}));
  EXPECT_THROW(page_count(1, 0), InternalError);
}

TEST(RunsTable, FilterLooksAtNameMethodStateAndModelWithoutCase) {
  const auto runs = fake_runs();
  EXPECT_EQ(filter_and_sort_runs(runs, "SFT", RunColumn::created, true).size(), 1U);
  EXPECT_EQ(filter_and_sort_runs(runs, "failed", RunColumn::created, true), (std::vector<size_t>{3}));
  EXPECT_EQ(filter_and_sort_runs(runs, "smollm2", RunColumn::created, true).size(), runs.size());
  EXPECT_TRUE(filter_and_sort_runs(runs, "no such run", RunColumn::created, true).empty());
}

TEST(RunsTable, RunsWithoutTheNumberStandLastInBothDirections) {
  const auto runs = fake_runs();
  EXPECT_EQ(filter_and_sort_runs(runs, "", RunColumn::loss, false), (std::vector<size_t>{0, 2, 1, 3}));
  EXPECT_EQ(filter_and_sort_runs(runs, "", RunColumn::loss, true), (std::vector<size_t>{1, 2, 0, 3}));
}

TEST(Format, NumbersCarryGroupsSignsAndADashForNothing) {
  EXPECT_EQ(with_groups(0), "0");
  EXPECT_EQ(with_groups(999), "999");
  EXPECT_EQ(with_groups(1234567), "1\u202F234\u202F567");
  EXPECT_EQ(with_groups(-1000), "\u22121\u202F000");
  EXPECT_EQ(fixed(-0.00001, 2), "0.00");
  EXPECT_EQ(fixed(-1.5, 2), "\u22121.50");
  EXPECT_EQ(fixed(std::nullopt, 2), "\u2013");
  EXPECT_EQ(fixed(std::nan(""), 2), "\u2013");
  EXPECT_EQ(fixed(1e300, 4).size(), 301U + 5);
  EXPECT_EQ(scientific(5e-5, 1), "5.0e-05");
  EXPECT_EQ(percent(0.731, 1), "73.1 %");
}

TEST(Format, TimesAreUtcAndAgesRoundDown) {
  EXPECT_EQ(date_time(fixed_now()), "2026-11-21 12:40");
  EXPECT_EQ(time_of_day(fixed_now()), "12:40:00");
  EXPECT_EQ(age(fixed_now() - std::chrono::seconds(59), fixed_now()).unit, AgeUnit::now);
  EXPECT_EQ(age(fixed_now() + std::chrono::hours(1), fixed_now()).unit, AgeUnit::now);
  EXPECT_EQ(age(fixed_now() - std::chrono::minutes(119), fixed_now()).count, 119);
  EXPECT_EQ(age(fixed_now() - std::chrono::hours(47), fixed_now()).count, 47);
  EXPECT_EQ(age(fixed_now() - std::chrono::hours(49), fixed_now()).count, 2);
}

bool latin(char32_t c) {
  return c < 0x2100;
}

TEST(DrawableText, KeepsAccentsAndCombiningMarksAsWritten) {
  const std::string text = "señal ñ ŋ g̃uarã ꞌ\n\tu\u0308";
  EXPECT_EQ(drawable_text(text, [](char32_t) { return true; }), text);
}

TEST(DrawableText, ShowsABadgeWhereNoFaceHasTheCodePoint) {
  EXPECT_EQ(drawable_text("mate 🧉!", latin), "mate [U+1F9C9]!");
  EXPECT_EQ(drawable_text("❤\uFE0F", latin), "[U+2764]");
}

TEST(DrawableText, DirectionOverridesAndControlsAreSeenNotObeyed) {
  EXPECT_EQ(drawable_text("a\u202Eb", [](char32_t c) { return c < 0x2000; }), "a[U+202E]b");
  EXPECT_EQ(drawable_text(std::string("a\0b\x1B[31m", 8), latin), "a[U+0000]b[U+001B][31m");
}

TEST(DrawableText, InvalidBytesBecomeTheReplacementCharacterAndLengthIsBounded) {
  EXPECT_EQ(drawable_text("a\xFF"
                          "b",
                          [](char32_t) { return true; }),
            "a\uFFFDb");
  const std::string out = drawable_text(std::string(10'000'000, 'x'), latin, 100);
  EXPECT_LE(code_points(out).size(), 101U);
  EXPECT_EQ(out.substr(100), "…");
  EXPECT_EQ(drawable_text(std::string(400, '\xFF'), latin, 10).size(), std::string("[U+FFFD]").size() * 10 + 3);
}

TEST(OneLine, CutsAtTheFirstLineEndAndAtTheLimit) {
  EXPECT_EQ(one_line("uno\ndos", 80), "uno…");
  EXPECT_EQ(one_line("ñandú", 3), "ñan…");
  EXPECT_EQ(one_line("ñandú", 5), "ñandú");
}

TEST(Votes, SupersededVotesAreNotCounted) {
  std::vector<Vote> votes(6);
  votes[0].grade = 3;
  votes[1].grade = -1;
  votes[2].grade = -2;
  votes[2].superseded = true;
  votes[3].outcome = Outcome::both_good;
  votes[4].outcome = Outcome::both_bad;
  votes[5].outcome = Outcome::cannot_judge;
  EXPECT_EQ(tally(votes), (VoteTally{1, 1, 1, 1, 1}));
}

TEST(Votes, ScaleRunsFromAAtTheLeftToBAtTheRight) {
  EXPECT_EQ(scale_position(3), 0);
  EXPECT_EQ(scale_position(0), 3);
  EXPECT_EQ(scale_position(-3), 6);
  EXPECT_EQ(scale_position(99), 0);
}

TEST(WinRate, IsWilsonsIntervalWithHalfATie) {
  EXPECT_EQ(win_rate({}), std::nullopt);
  ArenaStage arena;
  arena.wins = 8;
  arena.losses = 2;
  // Wilson for 8 of 10: 0.4902 … 0.9433 (Brown, Cai and DasGupta 2001, eq. 4).
  EXPECT_NEAR(win_rate(arena)->low, 0.4902, 1e-4);
  EXPECT_NEAR(win_rate(arena)->high, 0.9433, 1e-4);
  arena.ties = 10;
  EXPECT_DOUBLE_EQ(win_rate(arena)->rate, 0.65);
}

}  // namespace
}  // namespace afina::gui
