// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/layouts.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/cat.h"
#include "collector/quality/leaderboard.h"

namespace afina::collector {
namespace {

using storage::RatingVote;

constexpr const char* kBeside = "side_by_side";
constexpr const char* kStacked = "stacked";

// Each of `people` people prefers the first answer `first` times and the second one `second` times.
std::vector<RatingVote> votes(const std::string& layout, int people, int first, int second) {
  std::vector<RatingVote> out;
  for (int i = 0; i < people; ++i) {
    out.push_back({cat(layout, i), "uno", "dos", 1, false, first, true, layout});
    out.push_back({cat(layout, i), "dos", "uno", -1, false, second, true, layout});
  }
  return out;
}

void add(std::vector<RatingVote>& all, const std::vector<RatingVote>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

Json shares(const std::vector<RatingVote>& all) {
  return first_shares(all, {"uno", "dos"}, 5);
}

TEST(Layouts, TheShareOfTheFirstAnswerIsToldApart) {
  auto all = votes(kBeside, 6, 5, 5);
  add(all, votes(kStacked, 5, 7, 3));
  const Json told = shares(all);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0]["layout"], kBeside);
  EXPECT_EQ(told[0]["votes"], 60);
  EXPECT_EQ(told[0]["annotators"], 6);
  EXPECT_EQ(told[0]["first_share"], 0.5);
  EXPECT_EQ(told[1]["layout"], kStacked);
  EXPECT_EQ(told[1]["first_share"], 0.7);
  EXPECT_EQ(told[1]["low"], 0.7) << "five people who do all alike leave no error";
}

TEST(Layouts, OfFourPeopleNothingIsTold) {
  auto all = votes(kBeside, 5, 5, 5);
  add(all, votes(kStacked, 4, 100, 1));
  const Json told = shares(all);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0]["layout"], kBeside);
  EXPECT_EQ(shares(votes(kStacked, 5, 100, 1)).size(), 1U) << "the control";
  EXPECT_TRUE(first_shares(votes(kStacked, 1, 5, 5), {"uno", "dos"}, 0).empty()) << "one person has no error";
}

TEST(Layouts, OnePersonsManyVotesMakeNoNarrowerInterval) {
  // Five people with shares 0.2, 0.35, 0.5, 0.65, 0.8; each of twenty votes, then each of two thousand.
  const auto spread = [](int times) {
    std::vector<RatingVote> all;
    for (int i = 0; i < 5; ++i) {
      const int first = 4 + 3 * i;
      all.push_back({cat("p", i), "uno", "dos", 1, false, first * times, true, kStacked});
      all.push_back({cat("p", i), "uno", "dos", -1, false, (20 - first) * times, true, kStacked});
    }
    return shares(all).at(0);
  };
  const Json few = spread(1), many = spread(100);
  EXPECT_EQ(few["first_share"], 0.5);
  // Squares of 6, 3, 0, 3 and 6 votes: √(90·5/4)/100 · 1.96.
  EXPECT_NEAR(few["high"].get<double>() - 0.5, std::sqrt(112.5) / 100 * 1.959964, 1e-6);
  EXPECT_NEAR(many["high"].get<double>(), few["high"].get<double>(), 1e-9);
}

TEST(Layouts, OnlyDecidedVotesThatSawBothOnAKnownLayoutAreCounted) {
  auto all = votes(kStacked, 5, 2, 2);
  const Json before = shares(all);
  all.push_back({"stacked0", "uno", "dos", 0, false, 50, true, kStacked});
  all.push_back({"stacked0", "uno", "dos", 0, true, 50, true, kStacked});
  all.push_back({"stacked0", "uno", "dos", 1, false, 50, false, kStacked});
  all.push_back({"stacked0", "uno", "dos", 1, false, 50, true, ""});
  all.push_back({"stacked0", "uno", "oculto", 1, false, 50, true, kStacked});
  EXPECT_EQ(shares(all), before);
  all.push_back({"stacked0", "uno", "dos", 1, false, 50, true, kStacked});
  EXPECT_NE(shares(all), before) << "the control";
}

TEST(Layouts, TheLeaderboardHasThemAndNothingOfHiddenModels) {
  auto all = votes(kBeside, 5, 3, 1);
  EXPECT_EQ(leaderboard(all, {})["layouts"], shares(all));
  add(all, {{"side_by_side0", "uno", "raro", 1, false, 9, true, kBeside}});
  EXPECT_EQ(leaderboard(all, {})["layouts"][0]["votes"], 20);
  EXPECT_EQ(leaderboard({}, {})["layouts"], Json::array());
}

}  // namespace
}  // namespace afina::collector
