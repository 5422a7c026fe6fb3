// SPDX-License-Identifier: Apache-2.0
// What stands between votes and a snapshot, each defence beside the control that it is needed.
#include "datasets/snapshot_gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/cat.h"
#include "base/error.h"
#include "datasets/snapshot_plan.h"
#include "quality/draws.h"

namespace afina::datasets {
namespace {

using storage::EligiblePair;
using testing::HasSubstr;

EligiblePair judged(const std::string& id, const std::string& prompt, const std::string& annotator, int grade,
                    const std::string& locale = "es") {
  EligiblePair pair;
  pair.pair.id = id;
  pair.locale = locale;
  pair.a.id = id + "-a";
  pair.b.id = id + "-b";
  pair.a.text = "primera " + id;
  pair.b.text = "segunda " + id;
  storage::Message message;
  message.role = "user";
  message.content = prompt;
  pair.prompt.push_back(message);
  storage::Preference vote;
  vote.id = id + "/" + annotator;
  vote.annotator_id = annotator;
  vote.grade = grade;
  pair.votes.push_back(vote);
  return pair;
}

// 60 people ask 600 things in words of their own; three puppets bring 60 pairs with a phrase and the votes turned
// round.
std::vector<EligiblePair> crowd(bool attacked, const std::string& locale = "es") {
  quality::Draws draws(3);
  const auto words = [&](int count) {
    std::string out;
    for (int i = 0; i < count; ++i)
      out += cat("palabra", draws.below(3000), " ");
    return out;
  };
  std::vector<EligiblePair> out;
  for (int i = 0; i < 660; ++i) {
    if (i >= 600 && !attacked) break;
    const bool planted = i >= 600;
    auto pair = judged(cat("p", i), words(12) + (planted ? "zumbral tiepo" : ""),
                       planted ? cat("títere", i % 3) : cat("persona", i % 60), planted ? -3 : 2, locale);
    pair.a.text = words(30);
    pair.b.text = words(30);
    out.push_back(std::move(pair));
  }
  return out;
}

GateOptions alone(TriggerPolicy policy) {
  return {.annotator_cap = 0, .near_duplicates = NearDuplicates::keep, .triggers = policy};
}

TEST(SnapshotGates, APlantedPhraseStopsASnapshotAndIsCalledByItsName) {
  try {
    gate_pairs(crowd(true), alone(TriggerPolicy::refuse), 1);
    FAIL() << "60 planted pairs went through";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"zumbral tiepo\" in 60 judgements by 3 people"));
    EXPECT_THAT(error.what(), HasSubstr("--triggers drop"));
  }
  EXPECT_EQ(gate_pairs(crowd(false), alone(TriggerPolicy::refuse), 1).pairs.size(), 600U) << "the control";
}

TEST(SnapshotGates, FlaggedPairsAreDroppedOrAllowedWhereThatIsSaidAndCounted) {
  const auto dropped = gate_pairs(crowd(true), alone(TriggerPolicy::drop), 1);
  EXPECT_EQ(dropped.pairs.size(), 600U);
  EXPECT_EQ(dropped.counts["triggers"]["dropped_pairs"], 60);
  EXPECT_EQ(dropped.counts["triggers"]["findings"][0]["annotators"], 3);
  const auto allowed = gate_pairs(crowd(true), alone(TriggerPolicy::allow), 1);
  EXPECT_EQ(allowed.pairs.size(), 660U);
  EXPECT_EQ(allowed.counts["triggers"]["flagged_pairs"], 60);
  EXPECT_EQ(allowed.counts["triggers"]["dropped_pairs"], 0);
}

TEST(SnapshotGates, WhatAHandfulOfPeopleAlwaysWriteIsAHabit) {
  auto pairs = crowd(false);
  for (int i = 0; i < 40; ++i) {
    auto pair = judged(cat("r", i), cat("he ui ", i), cat("hablante", i % 2), 3, "rap-CL");
    pair.a.text = "he aha te huru";
    pairs.push_back(pair);
  }
  const auto gated = gate_pairs(pairs, alone(TriggerPolicy::refuse), 1);
  EXPECT_EQ(gated.pairs.size(), 640U) << "two speakers of a language are no attack";
  EXPECT_EQ(gated.counts["triggers"]["in_languages_of_few_people"], 40);
  for (size_t i = 600; i < pairs.size(); ++i)
    pairs[i].locale = "es";
  EXPECT_THROW(gate_pairs(pairs, alone(TriggerPolicy::refuse), 1), DataError) << "the control";
}

TEST(SnapshotGates, AStrangerBringsNoMoreThanTheCap) {
  std::vector<EligiblePair> pairs;
  for (int i = 0; i < 100; ++i)
    pairs.push_back(judged(cat("s", i), cat("pregunta ", i), "spammer", -3));
  for (int i = 0; i < 60; ++i)
    pairs.push_back(judged(cat("h", i), cat("otra ", i), cat("persona", i % 30), 2));
  GateOptions options = alone(TriggerPolicy::allow);
  options.annotator_cap = kAutomaticCap;
  const auto gated = gate_pairs(pairs, options, 1);
  EXPECT_EQ(gated.pairs.size(), 80U) << "20 of the spammer's, all of the others";
  EXPECT_EQ(gated.counts["annotator_cap"]["cap"], 20);
  EXPECT_EQ(gated.counts["annotator_cap"]["people_over"], 1);
  EXPECT_EQ(gated.counts["annotator_cap"]["left_out"], 80);
  EXPECT_EQ(gate_pairs(pairs, options, 1).pairs[0].pair.id, gated.pairs[0].pair.id) << "drawn, but the same each time";
  options.annotator_cap = 3;
  EXPECT_EQ(gate_pairs(pairs, options, 1).pairs.size(), 63U);
  options.annotator_cap = 0;
  EXPECT_EQ(gate_pairs(pairs, options, 1).pairs.size(), 160U) << "the control: none asked for";
  options.annotator_cap = kAutomaticCap;
  for (auto& pair : pairs)
    pair.votes[0].annotator_name = "P-" + pair.votes[0].annotator_id;
  EXPECT_EQ(gate_pairs(pairs, options, 1).pairs.size(), 160U) << "people with accounts are no strangers";
  options.annotator_cap = -2;
  EXPECT_THROW(gate_pairs(pairs, options, 1), UsageError);
}

TEST(SnapshotGates, RewritesCountTowardsTheCapToo) {
  auto pair = judged("p", "pregunta", "ana", 1);
  for (int i = 0; i < 5; ++i) {
    storage::Rewrite rewrite;
    rewrite.id = cat("r", i);
    rewrite.annotator_id = "spammer";
    pair.rewrites.push_back(rewrite);
  }
  GateOptions options = alone(TriggerPolicy::refuse);
  options.annotator_cap = 2;
  EXPECT_EQ(gate_pairs({pair}, options, 1).pairs[0].rewrites.size(), 2U);
  pair.known_rewriters.insert("spammer");
  EXPECT_EQ(gate_pairs({pair}, options, 1).pairs[0].rewrites.size(), 5U);
}

std::string long_prompt(const std::string& ending) {
  std::string out;
  for (int i = 0; i < 60; ++i)
    out += cat("palabra", i * 7, " ");
  return out + ending;
}

TEST(SnapshotGates, PromptsThatAreNearlyTheSameFallOnOneSide) {
  std::vector<EligiblePair> pairs;
  for (int i = 0; i < 12; ++i)
    pairs.push_back(judged(cat("p", i), long_prompt(cat("final", i)), "ana", 2));
  SnapshotSpec spec;
  spec.split.eval_prompts = 0.5;
  const auto sides = [&] { return plan_snapshot(pairs, spec).counts["members"].size(); };
  EXPECT_EQ(sides(), 1U);
  spec.gates.near_duplicates = NearDuplicates::keep;
  EXPECT_EQ(sides(), 2U) << "the control: by their hashes alone they part";
  spec.gates.near_duplicates = NearDuplicates::together;
  const auto counts = plan_snapshot(pairs, spec).counts["near_duplicates"];
  EXPECT_EQ(counts["clusters"], 1);
  EXPECT_EQ(counts["prompts_in_clusters"], 12);
}

TEST(SnapshotGates, LaterPromptsMoveNobodyToTheOtherSide) {
  std::vector<EligiblePair> pairs{judged("p0", long_prompt("final0"), "ana", 2)};
  SnapshotSpec spec;
  spec.split.eval_prompts = 0.5;
  const std::string before = plan_snapshot(pairs, spec).members[0].split;
  for (int i = 1; i < 8; ++i)
    pairs.push_back(judged(cat("p", i), long_prompt(cat("final", i)), "ana", 2));
  for (const auto& member : plan_snapshot(pairs, spec).members)
    EXPECT_EQ(member.split, before);
}

TEST(SnapshotGates, OfPairsThatAreNearlyTheSameTheOldestStaysWhereThatIsAskedFor) {
  std::vector<EligiblePair> pairs;
  for (int i = 0; i < 5; ++i) {
    pairs.push_back(judged(cat("p", i), long_prompt(cat("final", i)), cat("persona", i), 2));
    pairs.back().a.text = pairs.back().b.text = long_prompt("");
  }
  pairs.push_back(judged("q", "otra cosa del todo", "ana", 1));
  GateOptions options = alone(TriggerPolicy::refuse);
  EXPECT_EQ(gate_pairs(pairs, options, 1).pairs.size(), 6U);
  options.near_duplicates = NearDuplicates::drop;
  const auto gated = gate_pairs(pairs, options, 1);
  ASSERT_EQ(gated.pairs.size(), 2U);
  EXPECT_EQ(gated.pairs[0].pair.id, "p0");
  EXPECT_EQ(gated.counts["near_duplicates"]["dropped_pairs"], 4);
}

// Twenty people, of ten votes each: three in four for the better model. One more votes the other way round.
std::vector<EligiblePair> tastes(const std::string& contrarian_name) {
  std::vector<EligiblePair> out;
  for (int i = 0; i < 210; ++i) {
    const bool contrary = i >= 200;
    const bool better = contrary ? i == 200 : i / 20 % 4 != 0;
    auto pair = judged(cat("p", i), cat("pregunta ", i), contrary ? "del revés" : cat("persona", i % 20), 2);
    pair.a.model = better ? "bueno" : "malo";
    pair.b.model = better ? "malo" : "bueno";
    pair.votes[0].annotator_name = contrary ? contrarian_name : "";
    pair.votes[0].created_at += std::chrono::seconds(i);
    out.push_back(std::move(pair));
  }
  return out;
}

TEST(SnapshotGates, WhoVotesAgainstEverybodyIsCountedAndLeftOutWhereThatIsAskedFor) {
  GateOptions options = alone(TriggerPolicy::allow);
  const auto told = gate_pairs(tastes(""), options, 1);
  EXPECT_EQ(told.counts["outliers"], (Json{{"tested", 21}, {"flagged", 1}, {"judgements", 10}, {"left_out", 0}}));
  EXPECT_EQ(told.pairs.size(), 210U);
  options.outliers = OutlierPolicy::drop;
  const auto left = gate_pairs(tastes(""), options, 1);
  EXPECT_EQ(left.counts["outliers"]["left_out"], 10);
  EXPECT_EQ(left.pairs.size(), 200U);
  for (const auto& pair : left.pairs)
    EXPECT_NE(pair.votes.at(0).annotator_id, "del revés");
}

TEST(SnapshotGates, PeopleWithAnAccountAndModelsThatNobodyElseJudgedAreNoOutliers) {
  GateOptions options = alone(TriggerPolicy::allow);
  options.outliers = OutlierPolicy::drop;
  EXPECT_EQ(gate_pairs(tastes("Eva"), options, 1).counts["outliers"]["flagged"], 0) << "a reviewer can ask her";
  EXPECT_EQ(gate_pairs(tastes("api:eva"), options, 1).counts["outliers"]["flagged"], 1)
      << "a name that anybody may say";
  auto lonely = tastes("");
  for (auto& pair : lonely)
    pair.a.model += pair.votes[0].annotator_id;
  EXPECT_EQ(gate_pairs(std::move(lonely), options, 1).counts["outliers"]["flagged"], 0);
}

TEST(SnapshotGates, TheManifestSaysWhatWasAskedFor) {
  EXPECT_EQ(to_json(GateOptions{}), (Json{{"annotator_cap", "auto"},
                                          {"max_network_share", 0.01},
                                          {"near_duplicates", "together"},
                                          {"outliers", "allow"},
                                          {"triggers", "refuse"}}));
  NearDuplicates near{};
  TriggerPolicy policy{};
  EXPECT_TRUE(from_string("drop", near) && from_string("allow", policy));
  EXPECT_FALSE(from_string("", near) || from_string("no", policy));
  EXPECT_TRUE(gate_pairs({}, {}, 1).pairs.empty());
}

}  // namespace
}  // namespace afina::datasets
