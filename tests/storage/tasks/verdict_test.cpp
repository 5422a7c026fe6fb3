// SPDX-License-Identifier: Apache-2.0
// Sums on verdicts.
#include "storage/tasks/verdict.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace afina::storage {
namespace {

TaskVerdict grade(int value) {
  TaskVerdict v;
  v.outcome = Outcome::graded;
  v.grade = value;
  return v;
}
TaskVerdict said(Outcome outcome) {
  TaskVerdict v;
  v.outcome = outcome;
  return v;
}
TaskVerdict rated(int value) {
  TaskVerdict v;
  v.ratings = {{0, Aspect::clarity, value}};
  return v;
}

TEST(TaskVerdicts, KendallsDistanceCountsPairsTheOtherWayRound) {
  EXPECT_DOUBLE_EQ(kendall_distance({{0}, {1}, {2}}, {{0}, {1}, {2}}), 0);
  EXPECT_DOUBLE_EQ(kendall_distance({{0}, {1}, {2}}, {{2}, {1}, {0}}), 1);
  EXPECT_DOUBLE_EQ(kendall_distance({{0}, {1}, {2}}, {{1}, {0}, {2}}), 1.0 / 3);
  EXPECT_DOUBLE_EQ(kendall_distance({{0}, {1}}, {{0, 1}}), 0.5);
}

TEST(TaskVerdicts, FlagsPartWhereTheirSetsDoAndRewritesWhereThereIsAChoice) {
  const auto flagged = [](std::vector<PositionFlag> flags) {
    TaskVerdict v;
    v.flags = std::move(flags);
    return v;
  };
  const auto toxic = flagged({{0, FlagKind::toxic}}), both = flagged({{0, FlagKind::toxic}, {1, FlagKind::toxic}});
  EXPECT_FALSE(spread_of(ProjectKind::flagging, {flagged({}), flagged({})}).disputed);
  EXPECT_FALSE(spread_of(ProjectKind::flagging, {toxic, toxic}).disputed);
  EXPECT_TRUE(spread_of(ProjectKind::flagging, {toxic, flagged({})}).disputed);
  EXPECT_DOUBLE_EQ(spread_of(ProjectKind::flagging, {toxic, both}).value, 0.5);
  EXPECT_DOUBLE_EQ(spread_of(ProjectKind::flagging, {toxic, flagged({{1, FlagKind::toxic}})}).value, 1);
  EXPECT_FALSE(rewrite_spread({}).disputed);
  EXPECT_FALSE(rewrite_spread({"así", "así"}).disputed);
  EXPECT_TRUE(rewrite_spread({"así", "o así"}).disputed);
  EXPECT_EQ(rewrite_spread({"a", "b", "c", "a"}).value, 2);
}

TEST(TaskVerdicts, GradesPartByOppositeSignsOrARangeOfThree) {
  EXPECT_FALSE(spread_of(ProjectKind::pairwise, {grade(1), grade(3)}).disputed);
  EXPECT_TRUE(spread_of(ProjectKind::pairwise, {grade(-1), grade(1)}).disputed);
  EXPECT_TRUE(spread_of(ProjectKind::pairwise, {grade(0), grade(3)}).disputed);
  EXPECT_TRUE(spread_of(ProjectKind::pairwise, {said(Outcome::both_good), said(Outcome::both_bad)}).disputed);
  EXPECT_FALSE(spread_of(ProjectKind::pairwise, {grade(3), said(Outcome::cannot_judge)}).disputed);
  EXPECT_EQ(spread_of(ProjectKind::pairwise, {grade(-1), grade(2)}).value, 3);
  EXPECT_FALSE(spread_of(ProjectKind::rating, {rated(3), rated(4)}).disputed);
  EXPECT_TRUE(spread_of(ProjectKind::rating, {rated(3), rated(5)}).disputed);
}

TEST(TaskVerdicts, SidesTurnToPositionsAndBack) {
  TaskVerdict v = grade(2);
  v.ratings = {{0, Aspect::helpful, 5}};
  const TaskVerdict stored = as_stored(v, {1, 0});
  EXPECT_EQ(stored.grade, -2);
  EXPECT_EQ(stored.ratings[0].position, 1);
  EXPECT_EQ(as_shown(stored, {1, 0}).grade, 2);
  TaskVerdict ranking;
  ranking.tiers = {{2}, {0, 1}};
  EXPECT_EQ(as_stored(ranking, {1, 2, 0}).tiers, (std::vector<std::vector<int>>{{0}, {1, 2}}));
  EXPECT_EQ(as_shown(as_stored(ranking, {1, 2, 0}), {1, 2, 0}).tiers, ranking.tiers);
  TaskVerdict turned;
  turned.tiers = {{2}, {1, 0}};
  EXPECT_EQ(as_stored(turned, {1, 2, 0}).tiers, as_stored(ranking, {1, 2, 0}).tiers) << "who is equal has no order";
  ranking.tiers = {{3}};
  EXPECT_THROW(as_stored(ranking, {1, 2, 0}), DataError);
}

TEST(TaskVerdicts, AgreeWithGoldAsEachKindMeansIt) {
  EXPECT_TRUE(agrees_with_gold(ProjectKind::pairwise, grade(3), grade(1)));
  EXPECT_FALSE(agrees_with_gold(ProjectKind::pairwise, grade(3), grade(0)));
  EXPECT_FALSE(agrees_with_gold(ProjectKind::pairwise, said(Outcome::both_bad), grade(0)));
  TaskVerdict gold, given;
  gold.tiers = {{0}, {1}, {2}};
  given.tiers = {{0}, {2}, {1}};
  EXPECT_FALSE(agrees_with_gold(ProjectKind::ranking, gold, given)) << "two of three orders are not 0.75";
  given.tiers = {{0}, {1}, {2}};
  EXPECT_TRUE(agrees_with_gold(ProjectKind::ranking, gold, given));
  EXPECT_TRUE(agrees_with_gold(ProjectKind::rating, rated(4), rated(5)));
  EXPECT_FALSE(agrees_with_gold(ProjectKind::rating, rated(3), rated(5)));
  EXPECT_FALSE(agrees_with_gold(ProjectKind::rating, rated(3), {}));
  TaskVerdict flags;
  flags.flags = {{0, FlagKind::toxic}};
  EXPECT_TRUE(agrees_with_gold(ProjectKind::flagging, flags, flags));
  EXPECT_FALSE(agrees_with_gold(ProjectKind::flagging, flags, {}));
}

TEST(TaskVerdicts, GoldReadsBackAsItWasWritten) {
  const std::vector<std::pair<ProjectKind, std::string>> table{
      {ProjectKind::pairwise, R"({"outcome":-2})"},
      {ProjectKind::pairwise, R"({"outcome":"both_bad"})"},
      {ProjectKind::ranking, R"({"tiers":[["b"],["a","c"]]})"},
      {ProjectKind::rating, R"({"aspects":[{"aspect":"dialect","side":"c","value":4}]})"},
      {ProjectKind::flagging, R"({"flags":[]})"}};
  for (const auto& [kind, text] : table)
    EXPECT_EQ(dump_json(verdict_to_json(kind, verdict_from_json(kind, parse_json(text, "t"), 3, "t"))), text);
  for (const auto& [kind, text] :
       std::vector<std::pair<ProjectKind, std::string>>{{ProjectKind::pairwise, R"({"outcome":4})"},
                                                        {ProjectKind::pairwise, R"({"outcome":"graded"})"},
                                                        {ProjectKind::pairwise, R"({"outcome":1,"more":1})"},
                                                        {ProjectKind::pairwise, R"({"outcome":18446744073709551615})"},
                                                        {ProjectKind::pairwise, R"([])"},
                                                        {ProjectKind::ranking, R"({"tiers":[["a"],["a","c"]]})"},
                                                        {ProjectKind::ranking, R"({"tiers":[["a"],["b"]]})"},
                                                        {ProjectKind::ranking, R"({"tiers":[["a"],["b"],["z"]]})"},
                                                        {ProjectKind::rating, R"({"aspects":[]})"},
                                                        {ProjectKind::rewrite, R"({"outcome":1})"}})
    EXPECT_THROW(verdict_from_json(kind, parse_json(text, "t"), 3, "t"), DataError) << text;
}

}  // namespace
}  // namespace afina::storage
