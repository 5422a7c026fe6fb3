// SPDX-License-Identifier: Apache-2.0
#include "datasets/snapshot_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/cat.h"
#include "base/error.h"
#include "datasets/snapshot.h"

namespace afina::datasets {
namespace {

using storage::EligiblePair;
using storage::MemberKind;
using storage::Outcome;
using storage::SnapshotMember;

EligiblePair shown_pair(const std::string& name, const std::string& prompt) {
  EligiblePair pair;
  pair.pair.id = name;
  pair.a.id = name + "-a";
  pair.b.id = name + "-b";
  pair.a.text = "one of " + name;
  pair.b.text = "other of " + name;
  storage::Message message;
  message.role = "user";
  message.content = prompt;
  pair.prompt.push_back(message);
  return pair;
}

void vote(EligiblePair& pair, const std::string& annotator, int grade, Outcome outcome = Outcome::graded) {
  storage::Preference preference;
  preference.id = cat(pair.pair.id, "/", annotator, "/", pair.votes.size());
  preference.annotator_id = annotator;
  preference.annotator_name = annotator;
  preference.outcome = outcome;
  preference.grade = grade;
  pair.votes.push_back(preference);
}

std::vector<SnapshotMember> of_kind(const SnapshotPlan& plan, MemberKind kind) {
  std::vector<SnapshotMember> members;
  std::copy_if(plan.members.begin(), plan.members.end(), std::back_inserter(members),
               [&](const SnapshotMember& member) { return member.kind == kind; });
  return members;
}

SnapshotPlan plan_of(const EligiblePair& pair, const SnapshotSpec& spec = {}) {
  return plan_snapshot(std::vector{pair}, spec);
}

TEST(SnapshotPlan, VotesBecomeAPairAndAnAnswerToImitate) {
  auto pair = shown_pair("p", "hola");
  vote(pair, "ana", -3);
  vote(pair, "luis", -1);
  const auto plan = plan_of(pair);
  ASSERT_EQ(plan.members.size(), 2U);
  const SnapshotMember& member = plan.members[0];
  EXPECT_EQ(member.kind, MemberKind::pair);
  EXPECT_EQ(member.chosen_generation_id, "p-b");
  EXPECT_EQ(member.rejected_generation_id, "p-a");
  EXPECT_DOUBLE_EQ(member.soft_label, 1.0 - (0.5 + 0.05 + 0.30) / 3);
  EXPECT_FALSE(member.margin) << "the margin is the run's choice";
  EXPECT_EQ(member.preference_ids, (std::vector<std::string>{"p/ana/0", "p/luis/1"}));
  EXPECT_EQ(member.prompt_sha256, prompt_hash("hola"));
  EXPECT_EQ(plan.members[1].kind, MemberKind::answer);
  EXPECT_EQ(plan.members[1].chosen_generation_id, "p-b");
  EXPECT_EQ(plan.members[1].position, 1);
  EXPECT_EQ(plan.counts["votes"], 2);
  EXPECT_EQ(plan.counts["members"]["train"]["pair"], 1);
}

TEST(SnapshotPlan, OfTwoAnswersWithTheSameWordsNoneIsBetter) {
  auto pair = shown_pair("p", "hola");
  pair.b.text = pair.a.text;
  vote(pair, "ana", 2);
  vote(pair, "luis", -1);
  const auto plan = plan_of(pair);
  EXPECT_TRUE(plan.members.empty());
  EXPECT_EQ(plan.counts["left_out"]["same_answer"], 1);
  EXPECT_EQ(plan.counts["votes"], 2);
  auto bad = shown_pair("q", "hola");
  bad.b.text = bad.a.text;
  vote(bad, "ana", 0, Outcome::both_bad);
  EXPECT_EQ(of_kind(plan_of(bad), MemberKind::negative).size(), 2U) << "both may be bad all the same";
}

TEST(SnapshotPlan, TiesAreKeptAsPairsButNotImitated) {
  auto pair = shown_pair("p", "hola");
  vote(pair, "ana", 0, Outcome::both_good);
  const auto plan = plan_of(pair);
  ASSERT_EQ(plan.members.size(), 1U);
  EXPECT_EQ(plan.members[0].soft_label, 0.5);
  EXPECT_EQ(plan.counts["exact_ties"], 1);
}

TEST(SnapshotPlan, AnswersThatEverybodyCalledBadAreTwoNegatives) {
  auto pair = shown_pair("p", "hola");
  vote(pair, "ana", 0, Outcome::both_bad);
  vote(pair, "luis", 0, Outcome::cannot_judge);
  const auto negatives = of_kind(plan_of(pair), MemberKind::negative);
  ASSERT_EQ(negatives.size(), 2U);
  EXPECT_EQ(negatives[0].rejected_generation_id, "p-a");
  EXPECT_EQ(negatives[1].rejected_generation_id, "p-b");
  vote(pair, "eva", 2);
  const auto mixed = plan_of(pair);
  EXPECT_TRUE(of_kind(mixed, MemberKind::negative).empty()) << "somebody found one better";
  EXPECT_EQ(of_kind(mixed, MemberKind::answer).size(), 1U);
  vote(pair, "leo", 0, Outcome::both_bad);
  EXPECT_TRUE(of_kind(plan_of(pair), MemberKind::answer).empty()) << "more called both bad than judged";
}

TEST(SnapshotPlan, JudgementsOfTwoOrganisationsTrainOneModelOnlyWhereThatIsSaid) {
  auto ours = shown_pair("p", "hola"), theirs = shown_pair("q", "buenas");
  ours.workspace_id = "uno";
  theirs.workspace_id = "otro";
  vote(ours, "ana", 2);
  vote(theirs, "eva", 1);
  EXPECT_THROW(plan_snapshot({ours, theirs}, {}), DataError);
  SnapshotSpec mixed;
  mixed.mix_workspaces = true;
  EXPECT_EQ(of_kind(plan_snapshot({ours, theirs}, mixed), MemberKind::pair).size(), 2U);
  theirs.workspace_id = "uno";
  EXPECT_EQ(of_kind(plan_snapshot({ours, theirs}, {}), MemberKind::pair).size(), 2U);
}

TEST(SnapshotPlan, NothingToJudgeGivesNoMember) {
  auto pair = shown_pair("p", "hola");
  vote(pair, "ana", 0, Outcome::cannot_judge);
  vote(pair, "luis", 0, Outcome::retracted);
  const auto plan = plan_of(pair);
  EXPECT_TRUE(plan.members.empty());
  EXPECT_EQ(plan.counts["left_out"]["cannot_judge"], 1);
}

TEST(SnapshotPlan, AnAnnotatorHasOneVoiceThePairsNewest) {
  auto pair = shown_pair("p", "hola");
  vote(pair, "ana", -3);
  vote(pair, "ana", 3);
  const auto plan = plan_of(pair);
  EXPECT_DOUBLE_EQ(plan.members[0].soft_label, (0.5 + 0.95) / 2);
  EXPECT_EQ(plan.members[0].chosen_generation_id, "p-a");
  EXPECT_EQ(plan.counts["left_out"]["older_vote_of_the_same_annotator"], 1);
}

TEST(SnapshotPlan, ARewriteBeatsBothAnswersAndIsImitated) {
  auto pair = shown_pair("p", "hola");
  storage::Rewrite rewrite;
  rewrite.id = "r";
  rewrite.annotator_id = "ana";
  pair.rewrites.push_back(rewrite);
  const auto plan = plan_of(pair);
  const auto pairs = of_kind(plan, MemberKind::pair);
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].chosen_rewrite_id, "r");
  EXPECT_TRUE(pairs[0].chosen_generation_id.empty());
  EXPECT_EQ(pairs[0].rejected_generation_id, "p-a");
  EXPECT_EQ(pairs[1].rejected_generation_id, "p-b");
  EXPECT_DOUBLE_EQ(pairs[0].soft_label, (0.5 + 0.95) / 2);
  ASSERT_EQ(of_kind(plan, MemberKind::answer).size(), 1U);
  EXPECT_EQ(of_kind(plan, MemberKind::answer)[0].chosen_rewrite_id, "r");
}

TEST(SnapshotPlan, EveryMemberNamesTheTextsItWasMadeOf) {
  auto pair = shown_pair("p", "hola");
  pair.a.text = "sí";
  pair.b.text = "no";
  vote(pair, "ana", 3);
  const auto hash = [&] { return plan_of(pair).members[0].content_sha256; };
  const std::string before = hash();
  EXPECT_EQ(before.size(), 64U);
  EXPECT_EQ(before, hash());
  pair.b.text = "no.";
  EXPECT_NE(before, hash());
  pair.b.text = "no";
  pair.prompt[0].content = "hola ";
  EXPECT_NE(before, hash()) << "the texts as they are, not as splits see them";
}

TEST(SnapshotPlan, AnAnswerIsImitatedOnceASplit) {
  auto first = shown_pair("p", "hola"), second = shown_pair("q", "hola");
  second.a.id = "p-a";  // the same answer, beside another
  vote(first, "ana", 2);
  vote(second, "ana", 2);
  EXPECT_EQ(of_kind(plan_snapshot(std::vector{first, second}, {}), MemberKind::answer).size(), 1U);
}

TEST(SnapshotPlan, NoPromptAndNoAnnotatorOfEvalIsInTrain) {
  SnapshotSpec spec;
  spec.split = {5, 0.3, 0.3};
  std::vector<EligiblePair> pairs;
  for (int i = 0; i < 60; ++i) {
    // Prompts that differ only in spaces or capitals, and a later turn of the same conversation.
    auto pair = shown_pair(cat("p", i), cat(i % 2 == 0 ? "¿Pregunta  " : "¿pregunta ", i / 2, "?"));
    if (i % 3 == 0) {
      storage::Message answer, again;
      answer.role = "assistant";
      answer.content = "sí";
      again.role = "user";
      again.content = cat("otra cosa ", i);
      pair.prompt.push_back(answer);
      pair.prompt.push_back(again);
    }
    for (const char* annotator : {"ana", "luis", "eva", "leo", "mar", "sol"})
      vote(pair, annotator, 1 + i % 3);
    pairs.push_back(pair);
  }
  const auto plan = plan_snapshot(pairs, spec);
  std::map<std::string, std::set<std::string>> prompts, annotators;
  for (const SnapshotMember& member : plan.members) {
    prompts[member.split].insert(member.prompt_sha256);
    for (const std::string& id : member.preference_ids)
      annotators[member.split].insert(id.substr(id.find('/') + 1, 3));
  }
  ASSERT_EQ(prompts.size(), 4U) << "every side must be there, or the test says nothing";
  const auto disjoint = [](const std::set<std::string>& a, const std::set<std::string>& b) {
    return std::none_of(a.begin(), a.end(), [&](const std::string& x) { return b.count(x) > 0; });
  };
  EXPECT_TRUE(disjoint(prompts["train"], prompts["eval"]));
  EXPECT_TRUE(disjoint(prompts["train"], prompts["eval_prompt"]));
  EXPECT_TRUE(disjoint(annotators["train"], annotators["eval"]));
  EXPECT_TRUE(disjoint(annotators["train"], annotators["eval_annotator"]));
  EXPECT_EQ(prompts["train"], prompts["eval_annotator"]) << "the same prompts, judged by other people";
}

TEST(SnapshotPlan, IsTheSameForTheSameJudgements) {
  std::vector<EligiblePair> pairs;
  for (int i = 0; i < 10; ++i) {
    pairs.push_back(shown_pair(cat("p", i), cat("hola ", i)));
    for (const char* annotator : {"z", "m", "a"})
      vote(pairs.back(), annotator, (i % 7) - 3);
  }
  const auto one = plan_snapshot(pairs, {}), two = plan_snapshot(pairs, {});
  EXPECT_EQ(storage::snapshot_sha256(one.members), storage::snapshot_sha256(two.members));
  vote(pairs[3], "new", 3);
  EXPECT_NE(storage::snapshot_sha256(one.members), storage::snapshot_sha256(plan_snapshot(pairs, {}).members));
}

TEST(SnapshotRows, MembersBecomeTrainingRowsWithTheirLineage) {
  storage::SnapshotRow row;
  row.member.kind = MemberKind::pair;
  row.member.position = 4;
  row.member.soft_label = 0.8;
  row.member.margin = 0.1;
  row.member.weight = 2.0;
  row.member.preference_ids = {"v1", "v2"};
  row.prompt = shown_pair("p", "hola").prompt;
  row.chosen = "buenas";
  row.rejected = "no";
  const PairRow pair = pair_row(row, "demo");
  EXPECT_EQ(pair.where, "snapshot demo:4");
  EXPECT_EQ(pair.soft_label, 0.8);
  EXPECT_EQ(pair.margin, 0.1);
  EXPECT_EQ(pair.weight, 2.0);
  EXPECT_EQ(pair.preference_ids, (std::vector<std::string>{"v1", "v2"}));
  const auto& form = std::get<PairChat>(pair.form);
  EXPECT_EQ(form.prompt, (Messages{{"user", "hola"}}));
  EXPECT_EQ(form.chosen, (Messages{{"assistant", "buenas"}}));
  EXPECT_THROW(sft_row(row, "demo"), InternalError);
  row.member.kind = MemberKind::answer;
  EXPECT_EQ(std::get<ChatCompletionForm>(sft_row(row, "demo").form).completion, (Messages{{"assistant", "buenas"}}));
}

// Ana, Eva and Luis agree on forty pairs; Zoe says the opposite each time. On the last pair Ana and Zoe part.
std::vector<EligiblePair> pairs_with_a_liar() {
  std::vector<EligiblePair> pairs;
  for (int i = 0; i < 40; ++i) {
    pairs.push_back(shown_pair(cat("p", i), cat("pregunta ", i)));
    const int grade = i % 2 == 0 ? 2 : -2;
    for (const char* name : {"ana", "eva", "luis"})
      vote(pairs.back(), name, grade);
    vote(pairs.back(), "zoe", -grade);
  }
  pairs.push_back(shown_pair("last", "otra"));
  vote(pairs.back(), "ana", 2);
  vote(pairs.back(), "zoe", -2);
  return pairs;
}

TEST(SnapshotPlan, WeighsVotesByReliabilityWhereAskedFor) {
  const auto pairs = pairs_with_a_liar();
  SnapshotSpec spec;
  const auto soft_label = [](const SnapshotPlan& plan) {
    for (const SnapshotMember& member : plan.members) {
      if (member.pair_id == "last" && member.kind == MemberKind::pair) return member.soft_label;
    }
    return 0.0;
  };
  EXPECT_DOUBLE_EQ(soft_label(plan_snapshot(pairs, spec)), 0.5) << "by default everybody counts alike";
  EXPECT_FALSE(to_json(spec).contains("reliability"));
  spec.reliability = ReliabilityModel::dawid_skene;
  EXPECT_EQ(to_json(spec)["reliability"], "dawid_skene");
  const SnapshotPlan weighed = plan_snapshot(pairs, spec);
  EXPECT_GT(soft_label(weighed), 0.6);
  ASSERT_EQ(weighed.reliability.size(), 4U);
  EXPECT_GT(weighed.reliability[0].weight, 0.9) << "ana";
  EXPECT_EQ(weighed.reliability[3].annotator_id, "zoe");
  EXPECT_EQ(weighed.reliability[3].weight, 0) << "no better than chance: ignored, not turned round";
  EXPECT_EQ(weighed.reliability[3].votes, 41);
}

TEST(SnapshotPlan, PeopleWhoShareNoPairKeepTheWeightOfOne) {
  auto pairs = pairs_with_a_liar();
  pairs.push_back(shown_pair("alone", "a solas"));
  vote(pairs.back(), "nueva", 3);
  SnapshotSpec spec;
  const double before = plan_snapshot(pairs, spec).members.back().soft_label;
  spec.reliability = ReliabilityModel::dawid_skene;
  const auto plan = plan_snapshot(pairs, spec);
  EXPECT_EQ(plan.members.back().pair_id, "alone");
  EXPECT_EQ(plan.members.back().soft_label, before);
  EXPECT_EQ(plan.reliability.size(), 4U);
  EXPECT_TRUE(plan_snapshot(std::vector{pairs.back()}, spec).reliability.empty());
}

}  // namespace
}  // namespace afina::datasets
