// SPDX-License-Identifier: Apache-2.0
#include "dpo/make_objective.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace afina::dpo {
namespace {

/// The one problem of the options, or all of them where they are not one.
std::string problem(const ObjectiveOptions& options) {
  const auto found = problems(options);
  if (found.size() == 1) return found[0];
  std::string all = "problems:";
  for (const auto& sentence : found)
    all += " | " + sentence;
  return all;
}

void expect_problem(const ObjectiveOptions& options, const std::string& part) {
  EXPECT_NE(problem(options).find(part), std::string::npos) << problem(options);
  EXPECT_EQ(problem(options).find("problems:"), std::string::npos) << problem(options);
  EXPECT_THROW(make_objective(options), UsageError);
}

TEST(MakeObjective, MakesEveryKindByItsDefaults) {
  for (const char* kind : {"sft", "dpo", "kto", "cpo", "orpo", "bco", "reward"}) {
    EXPECT_TRUE(problems({.kind = kind}).empty()) << kind;
    const auto objective = make_objective({.kind = kind});
    const std::string word = kind;
    EXPECT_EQ(objective->needs_reference(), word == "dpo" || word == "kto" || word == "bco") << kind;
  }
}

TEST(MakeObjective, MakesEveryLossTypeOfDpoWithWhatItNeeds) {
  ASSERT_EQ(loss_type_words().size(), 18U);
  for (const auto& word : loss_type_words()) {
    ObjectiveOptions options{.kind = "dpo", .loss_type = {word}, .tie_parameter = 2.0};
    if (word == "exo_pair") options.label_smoothing = 0.001;
    EXPECT_NO_THROW(make_objective(options)) << word;
  }
}

TEST(MakeObjective, RefusesWordsItDoesNotKnowAndNamesTheNearest) {
  expect_problem({.kind = "dpo", .loss_type = {"sigmod"}}, "did you mean sigmoid?");
  expect_problem({.kind = "dpo", .f_divergence_type = "kl"}, "f_divergence_type");
  expect_problem({.kind = "cpo", .loss_type = {"robust"}}, "sigmoid, hinge, ipo, simpo");
  expect_problem({.kind = "kto", .loss_type = {"sigmoid"}}, "kto, apo_zero_unpaired");
  expect_problem({.kind = "ppo"}, "the kind of run");
}

TEST(MakeObjective, RefusesSettingsThatCannotBeTogether) {
  expect_problem({.kind = "dpo", .loss_type = {"aot"}, .use_weighting = true}, "use_weighting must be off with aot");
  expect_problem({.kind = "dpo", .loss_type = {"exo_pair"}}, "label_smoothing of exo_pair must be above 0");
  expect_problem({.kind = "dpo", .loss_type = {"sigmoid", "sft"}, .loss_weights = {1.0}}, "one number for each");
  expect_problem({.kind = "dpo", .loss_type = {"rao_kupper"}}, "tie_parameter of rao_kupper must be above 1");
  expect_problem({.kind = "dpo", .loss_type = {"davidson"}, .tie_parameter = 0.0}, "above 0");
  expect_problem({.kind = "dpo", .loss_type = {"davidson", "rao_kupper"}, .tie_parameter = 2.0}, "one model of ties");
  expect_problem({.kind = "dpo", .loss_type = {"plackett_luce", "sft"}}, "must stand alone");
  expect_problem({.kind = "cpo", .loss_type = {"sigmoid", "hinge"}}, "must be one word");
  expect_problem({.kind = "orpo", .loss_type = {"sigmoid"}}, "must be empty in orpo");
}

TEST(MakeObjective, RefusesSettingsThatWouldDoNothing) {
  expect_problem({.kind = "dpo", .loss_type = {"hinge"}, .label_smoothing = 0.1}, "label_smoothing must be 0");
  expect_problem({.kind = "cpo", .loss_type = {"ipo"}, .label_smoothing = 0.1}, "label_smoothing must be 0");
  expect_problem({.kind = "dpo", .loss_type = {"apo_zero"}, .f_divergence_type = "forward_kl"}, "f_divergence_type");
  expect_problem({.kind = "orpo", .use_weighting = true}, "use_weighting");
  expect_problem({.kind = "kto", .loss_weights = {2.0}}, "loss_weights");
  EXPECT_TRUE(problems({.kind = "dpo", .loss_type = {"hinge", "robust"}, .label_smoothing = 0.1}).empty());
}

TEST(MakeObjective, RefusesNumbersOutOfRangeAndListsAllAtOnce) {
  expect_problem({.kind = "dpo", .beta = 0.0}, "beta must be above 0");
  expect_problem({.kind = "dpo", .label_smoothing = 0.5}, "below 0.5");
  expect_problem({.kind = "reward", .center_rewards_coefficient = -1.0}, "center_rewards_coefficient");
  EXPECT_EQ(problems({.kind = "kto", .beta = -1.0, .desirable_weight = -1.0}).size(), 2U);
}

TEST(MakeObjective, SaysWhatTheBatchesMustHold) {
  EXPECT_TRUE(needs_prompt_targets({.kind = "orpo"}));
  EXPECT_FALSE(needs_prompt_targets({.kind = "orpo", .nll_on_prompt = false}));
  EXPECT_FALSE(needs_prompt_targets({.kind = "cpo"}));
  EXPECT_TRUE(needs_mismatched_answers({.kind = "kto"}));
  EXPECT_FALSE(needs_mismatched_answers({.kind = "kto", .loss_type = {"apo_zero_unpaired"}}));
  EXPECT_FALSE(needs_mismatched_answers({.kind = "bco"}));
}

}  // namespace
}  // namespace afina::dpo
