// SPDX-License-Identifier: Apache-2.0
// Each verdict on a series that deserves it, and its silence on one that does not.
#include "finetune/health.h"

#include <gmock/gmock.h>

#include <numbers>

#include "finetune/config/metric_names.h"

namespace afina::finetune {
namespace {

using ::testing::HasSubstr;

/// A well run: loss falls, the gradient wavers, accuracy grows.
StepRecord healthy(int64_t step) {
  const auto s = static_cast<double>(step);
  return {step,
          {{metric::kLoss, std::numbers::ln2 * std::exp(-0.01 * (s - 1))},
           {metric::kGradNorm, 1.0 + 0.2 * std::sin(s)},
           {metric::kLearningRate, 1e-4},
           {metric::kRewardsAccuracies, 0.6 + 0.1 * std::sin(3 * s)},
           {metric::kRewardsMargins, 0.01 * s}}};
}

StepRecord with(StepRecord record, const char* name, double value) {
  for (auto& entry : record.values)
    if (entry.first == name) entry.second = value;
  return record;
}

class Health : public ::testing::Test {
 protected:
  /// Codes of the verdicts of `record`.
  std::vector<std::string> step(const StepRecord& record) { return codes(monitor.step(record)); }
  std::vector<std::string> codes(const std::vector<Verdict>& verdicts) {
    std::vector<std::string> out;
    for (const auto& verdict : verdicts) {
      out.push_back(verdict.code);
      last = verdict;
      EXPECT_FALSE(verdict.sentence.empty());
      EXPECT_FALSE(verdict.advice.empty());
    }
    return out;
  }
  /// Verdicts of `n` healthy steps from 1 on.
  std::vector<std::string> healthy_steps(int64_t n) {
    std::vector<std::string> out;
    for (int64_t s = 1; s <= n; ++s)
      for (auto& code : step(healthy(s)))
        out.push_back(code);
    return out;
  }
  std::vector<std::string> pairs(double chosen, double rejected, double per_token, int n = 200, bool same = false) {
    std::vector<PairSignal> signals;
    for (int i = 0; i < n; ++i) {
      const int64_t length = i % 11 - 5;
      signals.push_back({i, chosen + 0.1 * ((i * 7) % 5 - 2) + per_token * static_cast<double>(length),
                         rejected + 0.1 * ((i * 3) % 7 - 3), true, length, same && i == 3});
    }
    return codes(monitor.pairs(5, signals));
  }

  HealthMonitor monitor{{std::numbers::ln2, true}};
  Verdict last;
};

using Codes = std::vector<std::string>;

TEST_F(Health, IsSilentOnAWellRun) {
  EXPECT_EQ(healthy_steps(200), Codes());
  EXPECT_EQ(pairs(0.4, -0.9, 0.0), Codes());
}

TEST_F(Health, TheFirstLossOfAPolicyThatIsItsReferenceIsLn2) {
  EXPECT_EQ(step(with(healthy(1), metric::kLoss, 0.71)), Codes{"first_loss"});
  EXPECT_THAT(last.sentence, HasSubstr("0.71"));
  EXPECT_EQ(last.severity, Severity::error);
}

TEST_F(Health, ARunWithMarginsHasNoSuchIdentity) {
  monitor.expect_first_loss(std::nan(""));
  EXPECT_EQ(step(with(healthy(1), metric::kLoss, 0.9)), Codes());
}

TEST_F(Health, OneRateOfZeroIsWarmUpAndTwoAreSaid) {
  EXPECT_EQ(step(with(healthy(1), metric::kLearningRate, 0.0)), Codes());
  EXPECT_EQ(step(with(healthy(2), metric::kLearningRate, 0.0)), Codes{"learning_rate_zero"});
  EXPECT_EQ(step(with(healthy(3), metric::kLearningRate, 0.0)), Codes());
  EXPECT_EQ(step(healthy(4)), Codes());
}

TEST_F(Health, AGradientSpikeIsSaidEachTimeItComes) {
  EXPECT_EQ(healthy_steps(30), Codes());
  EXPECT_EQ(step(with(healthy(31), metric::kGradNorm, 9.0)), Codes{"gradient_spike"});
  EXPECT_DOUBLE_EQ(last.value, 9.0);
  EXPECT_EQ(step(healthy(32)), Codes());
  EXPECT_EQ(step(with(healthy(33), metric::kGradNorm, 12.0)), Codes{"gradient_spike"});
  EXPECT_EQ(step(with(healthy(34), metric::kGradNorm, 2.0)), Codes());
}

TEST_F(Health, ALossThatClimbsIsSaidOnceAndASingleOneIsNot) {
  EXPECT_EQ(healthy_steps(40), Codes());
  EXPECT_EQ(step(with(healthy(41), metric::kLoss, 8.0)), Codes());
  Codes said;
  for (int64_t s = 42; s < 60; ++s)
    for (auto& code : step(with(healthy(s), metric::kLoss, 1.5)))
      said.push_back(code);
  EXPECT_EQ(said, Codes{"loss_exploding"});
}

TEST_F(Health, SwappedAnswersAreWorseThanChance) {
  Codes said;
  for (int64_t s = 1; s <= 40; ++s)
    for (auto& code : step(with(healthy(s), metric::kRewardsAccuracies, 0.2)))
      said.push_back(code);
  EXPECT_EQ(said, Codes{"accuracy_below_chance"});
  EXPECT_NEAR(last.value, 0.2, 1e-12);
}

TEST_F(Health, TiesOfTheFirstStepAreNotBelowChance) {
  for (int64_t s = 1; s <= 40; ++s)
    EXPECT_EQ(step(with(with(healthy(s), metric::kRewardsAccuracies, 0.0), metric::kRewardsMargins, 0.0)), Codes());
}

TEST_F(Health, AFallingChosenAnswerAndAMarginOfTheRejectedSideAreSaid) {
  EXPECT_EQ(pairs(-0.3, -2.0, 0.0), Codes{"rejected_side_only"});
  EXPECT_EQ(pairs(-4.0, -9.0, 0.0, 300), Codes{"chosen_falling"});
  EXPECT_NEAR(last.value, -4.0, 0.05);
}

TEST_F(Health, AMarginThatFollowsLengthIsSaidWithItsSign) {
  EXPECT_EQ(pairs(1.0, -1.0, 0.3), Codes{"reward_length"});
  EXPECT_GT(last.value, 0.5);
  EXPECT_THAT(last.sentence, HasSubstr("longer is taken for better"));
  EXPECT_EQ(pairs(1.0, -1.0, 0.0, 300), Codes());
  EXPECT_EQ(pairs(1.0, -1.0, -0.3, 300), Codes{"reward_length"});
  EXPECT_THAT(last.sentence, HasSubstr("shorter is taken for better"));
}

TEST_F(Health, PairsWithEqualAnswersAreCounted) {
  EXPECT_EQ(pairs(0.4, -0.9, 0.0, 40, true), Codes{"same_answers"});
  EXPECT_THAT(last.sentence, HasSubstr("1 of the first 40"));
}

TEST_F(Health, WithoutAReferenceARowIsComparedWithItsFirstSight) {
  std::vector<PairSignal> signals;
  for (int i = 0; i < 100; ++i)
    signals.push_back({i, -50.0 - i, -60.0 - i, false, i % 5, false});
  EXPECT_EQ(codes(monitor.pairs(1, signals)), Codes());
  for (auto& signal : signals)
    signal.chosen -= 3.0;
  EXPECT_EQ(codes(monitor.pairs(2, signals)), Codes{"chosen_falling"});
  EXPECT_NEAR(last.value, -3.0, 1e-9);
}

TEST_F(Health, RowsWhoseLossNeverMovesAreSaid) {
  Codes said;
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<ExampleLoss> losses;
    for (int64_t row = 0; row < 100; ++row)
      losses.push_back({row, row < 12 ? 0.25 : 0.5 / static_cast<double>(epoch + 1)});
    for (auto& code : codes(monitor.examples(epoch + 1, losses)))
      said.push_back(code);
  }
  EXPECT_EQ(said, Codes{"rows_without_signal"});
  EXPECT_THAT(last.sentence, HasSubstr("12 of 100"));
}

TEST_F(Health, RowsThatMoveAreNot) {
  for (int64_t epoch = 0; epoch < 5; ++epoch) {
    std::vector<ExampleLoss> losses;
    for (int64_t row = 0; row < 100; ++row)
      losses.push_back({row, 0.5 / static_cast<double>(epoch + 1)});
    EXPECT_EQ(codes(monitor.examples(epoch + 1, losses)), Codes());
  }
}

TEST_F(Health, HeldOutLossThatRisesWhileTrainingLossFallsIsOverfitting) {
  Codes said;
  for (int64_t e = 1; e <= 4; ++e) {
    for (int64_t s = 1; s <= 20; ++s)
      EXPECT_EQ(step(healthy((e - 1) * 20 + s)), Codes());
    StepRecord record = healthy(e * 20);
    record.values.emplace_back("eval_loss", 0.6 + 0.05 * static_cast<double>(e));
    record.values.emplace_back("eval_annotator_loss", 0.6 - 0.05 * static_cast<double>(e));
    for (auto& code : codes(monitor.evaluated(record)))
      said.push_back(code);
  }
  EXPECT_EQ(said, Codes{"overfitting"});
  EXPECT_THAT(last.sentence, HasSubstr("eval_loss"));
}

TEST(HealthSummary, CountsAndNamesWhatWasSaid) {
  EXPECT_EQ(health_summary({}), "nothing to report");
  EXPECT_EQ(health_summary({{1, Severity::error, "first_loss"}, {9, Severity::warning, "gradient_spike"}}),
            "1 error, 1 warning: first_loss (step 1), gradient_spike (step 9)");
}

TEST(HealthFacts, TheIdentityHoldsForPlainSigmoidOnItsOwnReferenceOnly) {
  RunConfig config;
  EXPECT_DOUBLE_EQ(health_facts(RunKind::dpo, config, true).first_loss, std::numbers::ln2);
  EXPECT_TRUE(std::isnan(health_facts(RunKind::dpo, config, false).first_loss));
  EXPECT_TRUE(std::isnan(health_facts(RunKind::cpo, config, true).first_loss));
  EXPECT_TRUE(health_facts(RunKind::cpo, config, true).preferences);
  EXPECT_FALSE(health_facts(RunKind::kto, config, true).preferences);
  config.loss_type = {"ipo"};
  EXPECT_TRUE(std::isnan(health_facts(RunKind::dpo, config, true).first_loss));
}

}  // namespace
}  // namespace afina::finetune
