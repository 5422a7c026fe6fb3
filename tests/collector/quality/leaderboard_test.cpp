// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/leaderboard.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/cat.h"

namespace afina::collector {
namespace {

using storage::RatingVote;

// `people` people, each of whom prefers `better` once on either side, and once the other.
std::vector<RatingVote> votes_on(const std::string& better, const std::string& worse, int people, int wins = 2) {
  std::vector<RatingVote> out;
  for (int i = 0; i < people; ++i) {
    out.push_back({cat("persona-", i), better, worse, 1, false, wins});
    out.push_back({cat("persona-", i), worse, better, -1, false, wins});
    out.push_back({cat("persona-", i), better, worse, -1, false, 1});
    out.push_back({cat("persona-", i), worse, better, 1, false, 1});
  }
  return out;
}

void add(std::vector<RatingVote>& votes, const std::vector<RatingVote>& more) {
  votes.insert(votes.end(), more.begin(), more.end());
}

TEST(Leaderboard, RanksModelsWithIntervalsAndCounts) {
  auto votes = votes_on("bueno", "malo", 20);
  votes.push_back({"persona-0", "bueno", "malo", 0, false, 3});
  const Json board = leaderboard(votes, {});
  ASSERT_EQ(board["models"].size(), 2u);
  const Json& first = board["models"][0];
  EXPECT_EQ(first["name"], "bueno");
  EXPECT_EQ(first["rank"], 1);
  EXPECT_EQ(board["models"][1]["rank"], 2);
  EXPECT_EQ(first["battles"], 20 * 6 + 3);
  EXPECT_EQ(first["wins"], 80);
  EXPECT_EQ(first["ties"], 3);
  EXPECT_LT(first["low"], first["rating"]);
  EXPECT_GT(first["high"], first["rating"]);
  // 80 of 120 won and three ties: ξ₁ − ξ₂ = ln(81.5/41.5).
  EXPECT_NEAR(first["rating"].get<double>() - board["models"][1]["rating"].get<double>(), 400 * std::log10(81.5 / 41.5),
              0.2);
  EXPECT_EQ(board["annotators"], 20);
  EXPECT_EQ(board["votes"], 123);
  EXPECT_EQ(board["suppressed"], 0);
  EXPECT_NEAR(board["position"]["log_odds"].get<double>(), 0, 0.03) << "both sides won alike, but for three ties";
}

TEST(Leaderboard, TellsTheAdvantageOfTheLeftSide) {
  std::vector<RatingVote> votes;
  for (int i = 0; i < 30; ++i) {
    votes.push_back({cat("p", i), "a", "b", 1, false, 3});
    votes.push_back({cat("p", i), "b", "a", 1, false, 3});
    votes.push_back({cat("p", i), "a", "b", -1, false, i % 3 == 0 ? 2 : 1});
    votes.push_back({cat("p", i), "b", "a", -1, false, i % 3 == 0 ? 2 : 1});
  }
  const Json position = leaderboard(votes, {})["position"];
  EXPECT_GT(position["low"], 0.5);
  EXPECT_LT(position["high"], 1.2);
}

TEST(Leaderboard, LeavesOutModelsThatFewerThanFivePeopleJudged) {
  auto votes = votes_on("bueno", "malo", 5);
  add(votes, votes_on("raro", "malo", 4));
  const Json board = leaderboard(votes, {});
  ASSERT_EQ(board["models"].size(), 2u);
  EXPECT_EQ(board["suppressed"], 1);
  EXPECT_EQ(board["votes"], 5 * 6) << "no vote on a hidden model is counted";
  EXPECT_FALSE(board.dump().find("raro") != std::string::npos);
}

TEST(Leaderboard, HidesWhatWouldStandOnHiddenModels) {
  // Six people judged "medio", but only two of them against a model that is shown.
  auto votes = votes_on("bueno", "malo", 6);
  add(votes, votes_on("medio", "raro", 4));
  add(votes, votes_on("medio", "bueno", 2));
  const Json board = leaderboard(votes, {});
  EXPECT_EQ(board["models"].size(), 2u);
  EXPECT_EQ(board["suppressed"], 2);
}

TEST(Leaderboard, SaysNothingOfFourPeople) {
  const Json board = leaderboard(votes_on("bueno", "malo", 4), {});
  EXPECT_TRUE(board["models"].empty());
  EXPECT_EQ(board["suppressed"], 2);
  EXPECT_EQ(board["votes"], 0);
  EXPECT_EQ(board["annotators"], 0);
  EXPECT_TRUE(board["position"].is_null());
  EXPECT_TRUE(leaderboard({}, {})["models"].empty());
}

TEST(Leaderboard, BothBadLowersAcceptabilityAndNoRating) {
  auto votes = votes_on("bueno", "malo", 10);
  const Json before = leaderboard(votes, {});
  for (int i = 0; i < 10; ++i)
    votes.push_back({cat("persona-", i), "bueno", "malo", 0, true, 5});
  const Json after = leaderboard(votes, {});
  EXPECT_EQ(after["models"][0]["rating"], before["models"][0]["rating"]);
  EXPECT_EQ(after["models"][0]["ties"], 0);
  EXPECT_LT(after["models"][0]["acceptable"]["high"], before["models"][0]["acceptable"]["low"]);
}

TEST(Leaderboard, DavidsonReportsHowOftenModelsTie) {
  auto votes = votes_on("bueno", "malo", 10);
  for (int i = 0; i < 10; ++i)
    votes.push_back({cat("persona-", i), "bueno", "malo", 0, false, 3});
  const Json board = leaderboard(votes, {.model = quality::TieModel::davidson});
  EXPECT_EQ(board["model"], "davidson");
  EXPECT_GT(board["nu"], 0.1);
  EXPECT_TRUE(leaderboard(votes, {})["nu"].is_null());
}

TEST(Leaderboard, TheSideIsLearntFromVotesThatSawBothAnswers) {
  // Whatever stands left wins, but half of the people saw one answer only: there it is left by name.
  std::vector<RatingVote> votes;
  for (int person = 0; person < 10; ++person) {
    const bool sided = person % 2 == 0;
    const std::string name = std::to_string(person);
    votes.push_back({name, "uno", "dos", sided ? 1 : -1, false, 8, sided});
    votes.push_back({name, "uno", "dos", sided ? -1 : 1, false, 2, sided});
    votes.push_back({name, "dos", "uno", sided ? 1 : -1, false, 8, sided});
    votes.push_back({name, "dos", "uno", sided ? -1 : 1, false, 2, sided});
  }
  const double told = leaderboard(votes, {})["position"]["log_odds"];
  EXPECT_NEAR(told, std::log(4.0), 0.01);
  for (auto& vote : votes)
    vote.sided = true;
  EXPECT_NEAR(leaderboard(votes, {})["position"]["log_odds"].get<double>(), 0, 0.01) << "the control";
  for (auto& vote : votes)
    vote.sided = false;
  EXPECT_TRUE(leaderboard(votes, {})["position"].is_null());
}

TEST(Leaderboard, ToldAPartIsWhoJudgesAndWhoTakesTheLeft) {
  std::vector<RatingVote> votes;
  for (int person = 0; person < 12; ++person) {
    const std::string name = std::to_string(person);
    if (person < 4) {
      votes.push_back({name, "bueno", "malo", 1, false, 40});
      votes.push_back({name, "malo", "bueno", 1, false, 40});
    } else {
      votes.push_back({name, "bueno", "malo", 1, false, 18});
      votes.push_back({name, "bueno", "malo", -1, false, 2});
      votes.push_back({name, "malo", "bueno", -1, false, 18});
      votes.push_back({name, "malo", "bueno", 1, false, 2});
    }
  }
  const Json noisy = leaderboard(votes, {})["noisy"];
  EXPECT_EQ(noisy["models"][0]["name"], "bueno");
  EXPECT_GT(noisy["position"]["log_odds"].get<double>(), 0.3) << "those who do not judge take the left";
  EXPECT_EQ(noisy["skill"]["annotators"], 12);
  EXPECT_LT(noisy["skill"]["low"].get<double>(), 0.5);
  EXPECT_GT(noisy["skill"]["high"].get<double>(), 0.8);
  votes.resize(8);
  votes.push_back({"otro", "bueno", "malo", 1, false, 1});
  const Json few = leaderboard(votes, {});
  EXPECT_TRUE(few["noisy"]["skill"].is_null()) << "four people with enough votes are too few to be told of";
}

}  // namespace
}  // namespace afina::collector
