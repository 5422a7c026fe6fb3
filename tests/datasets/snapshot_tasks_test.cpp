// SPDX-License-Identifier: Apache-2.0
// What task projects bring to a snapshot as a pure function: verdicts of reviewers and rankings.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/cat.h"
#include "datasets/reliability.h"
#include "datasets/snapshot_plan.h"

namespace afina::datasets {
namespace {

using storage::EligiblePair;
using storage::MemberKind;
using storage::Outcome;
using storage::SnapshotMember;

storage::Preference vote(const std::string& id, const std::string& annotator, int grade) {
  storage::Preference out;
  out.id = id;
  out.annotator_id = annotator;
  out.annotator_name = annotator;
  out.grade = grade;
  return out;
}

EligiblePair two_answers(const std::string& a, const std::string& b, const std::string& prompt = "hola") {
  EligiblePair pair;
  pair.pair.id = a + b;
  pair.a.id = a;
  pair.b.id = b;
  pair.a.text = "text of " + a;
  pair.b.text = "text of " + b;
  storage::Message message;
  message.role = "user";
  message.content = prompt;
  pair.prompt.push_back(message);
  return pair;
}

std::vector<SnapshotMember> of_kind(const SnapshotPlan& plan, MemberKind kind) {
  std::vector<SnapshotMember> out;
  std::ranges::copy_if(plan.members, std::back_inserter(out), [&](const auto& m) { return m.kind == kind; });
  return out;
}

// An item whose answers w, x, y, … were ranked; tiers[i] is the place of answer i.
std::vector<EligiblePair> ranked(const std::vector<std::vector<int>>& rankings) {
  std::vector<EligiblePair> out;
  const auto count = static_cast<int>(rankings[0].size());
  for (int a = 0; a < count; ++a) {
    for (int b = a + 1; b < count; ++b) {
      auto pair = two_answers(std::string(1, static_cast<char>('w' + a)), std::string(1, static_cast<char>('w' + b)));
      pair.pair.id.clear();
      pair.ranked = count;
      pair.ranking = "item";
      pair.ranked_item = true;
      for (size_t i = 0; i < rankings.size(); ++i) {
        const int first = rankings[i][static_cast<size_t>(a)], second = rankings[i][static_cast<size_t>(b)];
        pair.votes.push_back(vote(cat("s", i), cat("persona", i), first < second ? 2 : first > second ? -2 : 0));
      }
      if (std::ranges::any_of(pair.votes, [](const auto& v) { return v.grade != 0; })) out.push_back(pair);
    }
  }
  return out;
}

TEST(SnapshotTasks, AReviewersVerdictTurnsThePairRound) {
  auto pair = two_answers("a", "b");
  pair.votes = {vote("1", "ana", 3), vote("2", "luis", 2), vote("3", "eva", -2)};
  EXPECT_EQ(of_kind(plan_snapshot({pair}, {}), MemberKind::pair)[0].chosen_generation_id, "a") << "the control";
  pair.adjudicated = storage::Adjudicated{"verdict", "jefa", Outcome::graded, -3, std::exchange(pair.votes, {})};
  const auto plan = plan_snapshot({pair}, {});
  const auto member = of_kind(plan, MemberKind::pair).at(0);
  EXPECT_EQ(member.chosen_generation_id, "b");
  EXPECT_DOUBLE_EQ(member.soft_label, 1 - (0.5 + 3 * 0.05) / 4) << "it speaks for the three votes it settled";
  EXPECT_EQ(member.adjudication_ids, std::vector<std::string>{"verdict"});
  EXPECT_TRUE(member.preference_ids.empty());
  EXPECT_EQ(of_kind(plan, MemberKind::answer).at(0).chosen_generation_id, "b");
  EXPECT_EQ(plan.counts["adjudications"], (Json{{"verdicts", 1}, {"votes_replaced", 3}, {"rewrites_replaced", 0}}));
  EXPECT_EQ(plan.counts["votes"], 0);
}

TEST(SnapshotTasks, AVerdictThatNobodyCanJudgeLeavesNothing) {
  auto pair = two_answers("a", "b");
  pair.adjudicated = storage::Adjudicated{"verdict", "jefa", Outcome::cannot_judge, 0, {vote("1", "ana", 3)}};
  EXPECT_TRUE(plan_snapshot({pair}, {}).members.empty());
  pair.adjudicated->outcome = Outcome::both_bad;
  const auto negatives = of_kind(plan_snapshot({pair}, {}), MemberKind::negative);
  ASSERT_EQ(negatives.size(), 2U);
  EXPECT_EQ(negatives[0].adjudication_ids, std::vector<std::string>{"verdict"});
}

TEST(SnapshotTasks, ARankingCountsNoMoreThanOneJudgement) {
  for (const auto& order : {std::vector<int>{0, 1}, {0, 1, 2}, {2, 0, 3, 1}, {0, 0, 1, 2}, {0, 0, 0, 1, 1}}) {
    const auto pairs = of_kind(plan_snapshot(ranked({order}), {}), MemberKind::pair);
    double weight = 0;
    for (const auto& pair : pairs)
      weight += pair.weight;
    const bool strict = std::set<int>(order.begin(), order.end()).size() == order.size();
    if (strict)
      EXPECT_NEAR(weight, 1, 1e-12);
    else
      EXPECT_LT(weight, 1);
    for (const auto& pair : pairs) {
      EXPECT_DOUBLE_EQ(pair.soft_label, (0.5 + 0.85) / 2);
      EXPECT_EQ(pair.submission_ids, std::vector<std::string>{"s0"});
      EXPECT_TRUE(pair.pair_id.empty() && pair.preference_ids.empty());
    }
  }
}

TEST(SnapshotTasks, EveryStrictPairOfARankingIsThereOnceInTheRightOrder) {
  const auto plan = plan_snapshot(ranked({{2, 0, 1}}), {});
  std::vector<std::string> orders;
  for (const auto& pair : of_kind(plan, MemberKind::pair))
    orders.push_back(pair.chosen_generation_id + ">" + pair.rejected_generation_id);
  EXPECT_EQ(orders, (std::vector<std::string>{"x>w", "y>w", "x>y"}));
  const auto answers = of_kind(plan, MemberKind::answer);
  ASSERT_EQ(answers.size(), 1U) << "only the best is to be imitated, not whoever beats the worst";
  EXPECT_EQ(answers[0].chosen_generation_id, "x");
  EXPECT_EQ(plan.counts["rankings"], (Json{{"items", 1}, {"submissions", 1}, {"pairs", 3}}));
}

TEST(SnapshotTasks, SeveralRankingsOfAnItemShareItsWeight) {
  const auto plan = plan_snapshot(ranked({{0, 1, 2}, {0, 2, 1}, {0, 1, 1}}), {});
  const auto pairs = of_kind(plan, MemberKind::pair);
  ASSERT_EQ(pairs.size(), 3U);
  double weight = 0;
  for (const auto& pair : pairs)
    weight += pair.weight;
  EXPECT_NEAR(weight, 1, 1e-12);
  EXPECT_DOUBLE_EQ(pairs[0].soft_label, (0.5 + 3 * 0.85) / 4);
  EXPECT_EQ(pairs[2].soft_label, 0.5) << "one each way and one tie";
  EXPECT_DOUBLE_EQ(pairs[2].tie, 0.25);
  EXPECT_EQ(of_kind(plan, MemberKind::answer).size(), 1U);
}

TEST(SnapshotTasks, AnImportedRankingWeighsAsOneOfATask) {
  auto pairs = ranked({{0, 1, 2}});
  for (auto& pair : pairs) {
    pair.pair.id = pair.a.id + pair.b.id;
    pair.ranked_item = false;
  }
  const auto plan = plan_snapshot(pairs, {});
  EXPECT_DOUBLE_EQ(of_kind(plan, MemberKind::pair)[0].weight, 1.0 / 3);
  EXPECT_EQ(of_kind(plan, MemberKind::pair)[0].preference_ids, std::vector<std::string>{"s0"});
  EXPECT_EQ(of_kind(plan, MemberKind::answer).size(), 1U);
}

// 40 pairs that two good people and a third one judge.
std::vector<EligiblePair> judged_by_three() {
  std::vector<EligiblePair> pairs;
  for (int i = 0; i < 40; ++i) {
    auto pair = two_answers(cat("a", i), cat("b", i), cat("pregunta ", i));
    const int truth = i % 2 == 0 ? 2 : -2;
    pair.votes = {vote(cat(i, "x"), "ana", truth), vote(cat(i, "y"), "luis", truth),
                  vote(cat(i, "z"), "tercera", i % 3 == 0 ? truth : -truth)};
    pairs.push_back(pair);
  }
  return pairs;
}

std::map<std::string, double> weights(const std::vector<storage::AnnotatorReliability>& found) {
  std::map<std::string, double> out;
  for (const auto& one : found)
    out[one.annotator_id] = one.weight;
  return out;
}

TEST(SnapshotTasks, HeldOutPeoplesVotesDoNotReachTheWeightsOfTraining) {
  SplitOptions split;
  split.eval_annotators = 0.4;
  // A seed that holds out the third one only.
  while (!annotator_is_held_out("tercera", split) || annotator_is_held_out("ana", split) ||
         annotator_is_held_out("luis", split)) {
    ++split.seed;
  }
  auto pairs = judged_by_three();
  const auto before = weights(vote_reliability(pairs, split));
  EXPECT_FALSE(before.contains("tercera"));
  for (auto& pair : pairs)
    pair.votes[2].grade = -pair.votes[2].grade;
  EXPECT_EQ(weights(vote_reliability(pairs, split)), before);
  const auto all = weights(vote_reliability(pairs));
  for (auto& pair : pairs)
    pair.votes[2].grade = -pair.votes[2].grade;
  EXPECT_NE(weights(vote_reliability(pairs)), all) << "the control: where nobody is held out they do";
}

TEST(SnapshotTasks, ASettledPairIsKnownWhereMostWereWrong) {
  auto pairs = judged_by_three();
  // Two of three copy each other's mistakes: without known answers they look right.
  for (auto& pair : pairs) {
    pair.votes[1].grade = pair.votes[2].grade;
    pair.votes[1].annotator_id = "copia";
  }
  const auto fooled = weights(vote_reliability(pairs));
  EXPECT_GT(fooled.at("tercera"), fooled.at("ana"));
  for (int i = 0; i < 40; ++i) {
    auto& pair = pairs[static_cast<size_t>(i)];
    pair.adjudicated =
        storage::Adjudicated{cat("v", i), "jefa", Outcome::graded, i % 2 == 0 ? 3 : -3, std::exchange(pair.votes, {})};
  }
  const auto told = weights(vote_reliability(pairs));
  EXPECT_GT(told.at("ana"), 0.8);
  EXPECT_LT(told.at("tercera"), 0.3);
}

}  // namespace
}  // namespace afina::datasets
