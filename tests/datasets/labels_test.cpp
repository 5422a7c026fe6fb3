// SPDX-License-Identifier: Apache-2.0
#include "datasets/labels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace afina::datasets {
namespace {

Vote graded(int grade, double reliability = 1.0) {
  return {VoteOutcome::graded, grade, reliability, cat("p", grade), "ana"};
}
Vote other(VoteOutcome outcome) {
  return {outcome, 0, 1.0, "x", "ana"};
}

TEST(Labels, EachGradeHasItsProbability) {
  const std::vector<double> expected{.05, .15, .30, .50, .70, .85, .95};
  for (int grade = -3; grade <= 3; ++grade)
    EXPECT_EQ(vote_probability(graded(grade)), expected[static_cast<size_t>(grade + 3)]);
  EXPECT_EQ(vote_probability(other(VoteOutcome::both_good)), 0.5);
  EXPECT_FALSE(vote_probability(other(VoteOutcome::both_bad)));
  EXPECT_FALSE(vote_probability(other(VoteOutcome::cannot_judge)));
  EXPECT_THROW(vote_probability(graded(4)), DataError);
  EXPECT_THROW(vote_probability(graded(-4)), DataError);
}

TEST(Labels, VotesAreAveragedWithHalfAVoteOfDoubt) {
  EXPECT_DOUBLE_EQ(judge_pair(std::vector{graded(3)}).soft_label, (0.5 + 0.95) / 2);
  EXPECT_DOUBLE_EQ(judge_pair(std::vector{graded(3), graded(2), graded(-1)}).soft_label,
                   (0.5 + 0.95 + 0.85 + 0.30) / 4);
  EXPECT_DOUBLE_EQ(judge_pair(std::vector{graded(3, 2.0), graded(-3, 0.5)}).soft_label,
                   (0.5 + 2 * 0.95 + 0.5 * 0.05) / 3.5);
  EXPECT_EQ(judge_pair(std::vector{graded(3, 0.0)}).soft_label, 0.5) << "an annotator of no reliability says nothing";
}

TEST(Labels, TheBetterAnswerBecomesTheChosenOne) {
  const auto judgement = judge_pair(std::vector{graded(-2), graded(-1)});
  EXPECT_TRUE(judgement.swapped);
  EXPECT_DOUBLE_EQ(judgement.soft_label, 1.0 - (0.5 + 0.15 + 0.30) / 3);
  EXPECT_EQ(judgement.preference_ids, (std::vector<std::string>{"p-2", "p-1"}));
  EXPECT_FALSE(judge_pair(std::vector{graded(1)}).swapped);
}

TEST(Labels, TiesAreAPartOfQAndNeverMoreThanWhatIsLeft) {
  EXPECT_EQ(judge_pair(std::vector{graded(3)}).tie, 0.0) << "half a vote of doubt is no tie";
  EXPECT_DOUBLE_EQ(judge_pair(std::vector{graded(0)}).tie, 1.0 / 2);
  const auto mixed =
      judge_pair(std::vector{graded(-3, 2.0), graded(0), other(VoteOutcome::both_good), other(VoteOutcome::both_bad)});
  EXPECT_DOUBLE_EQ(mixed.tie, 2.0 / 5);
  EXPECT_DOUBLE_EQ(mixed.soft_label - mixed.tie / 2, (0.5 + 2 * 0.95) / 5) << "what is left of q are wins";
  for (int grade = -3; grade <= 3; ++grade) {
    const auto judgement = judge_pair(std::vector{graded(grade), graded(0, 9.0)});
    EXPECT_GE(judgement.soft_label - judgement.tie / 2, 0.0);
    EXPECT_GE(1.0 - judgement.soft_label - judgement.tie / 2, 0.0);
  }
}

TEST(Labels, OppositeVotesAreAnExactTieInEveryOrder) {
  std::vector<int> grades{-3, 3, -2, 2, -1, 1, 0};
  std::sort(grades.begin(), grades.end());
  int orders = 0;
  do {
    std::vector<Vote> votes;
    for (const int grade : grades)
      votes.push_back(graded(grade));
    const auto judgement = judge_pair(votes);
    EXPECT_EQ(judgement.soft_label, 0.5);
    EXPECT_FALSE(judgement.swapped);
  } while (std::next_permutation(grades.begin(), grades.end()) && ++orders < 500);
}

TEST(Labels, BothBadGivesNegativesAndNoPair) {
  const auto judgement = judge_pair(std::vector{other(VoteOutcome::both_bad), other(VoteOutcome::cannot_judge)});
  EXPECT_TRUE(judgement.preference_ids.empty());
  EXPECT_EQ(judgement.both_bad_ids.size(), 1U);
  const auto mixed = judge_pair(std::vector{other(VoteOutcome::both_bad), graded(2)});
  EXPECT_EQ(mixed.preference_ids.size(), 1U);
  EXPECT_DOUBLE_EQ(mixed.soft_label, (0.5 + 0.85) / 2) << "both bad does not move q";
  EXPECT_TRUE(judge_pair({}).preference_ids.empty());
}

TEST(Labels, RefusesImpossibleReliabilities) {
  EXPECT_THROW(judge_pair(std::vector{graded(1, -1.0)}), DataError);
  EXPECT_THROW(judge_pair(std::vector{graded(1, std::numeric_limits<double>::infinity())}), DataError);
  EXPECT_THROW(judge_pair(std::vector{graded(1, std::numeric_limits<double>::quiet_NaN())}), DataError);
}

TEST(Labels, ModesAndMarginsFollowTheFormula) {
  const auto soft = training_label(0.8, {LabelMode::soft, 0.5});
  EXPECT_EQ(soft->soft_label, 0.8);
  EXPECT_DOUBLE_EQ(soft->margin, 0.5 * 0.6);
  const auto hard = training_label(0.8, {LabelMode::hard, 0.5});
  EXPECT_EQ(hard->soft_label, 1.0);
  EXPECT_DOUBLE_EQ(hard->margin, 0.5);
  EXPECT_EQ(training_label(1.0, {})->margin, 0.0);
  EXPECT_TRUE(training_label(0.5, {LabelMode::soft, 0.0})) << "soft labels keep ties";
  EXPECT_FALSE(training_label(0.5, {LabelMode::hard, 0.0}));
  EXPECT_THROW(training_label(0.49, {}), DataError);
  EXPECT_THROW(training_label(1.01, {}), DataError);
}

}  // namespace
}  // namespace afina::datasets
