// SPDX-License-Identifier: Apache-2.0
#include "finetune/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/golden.h"

namespace afina::finetune {
namespace {

TEST(Schedule, LinearRisesThenFallsToZero) {
  const Schedule schedule(SchedulerType::linear, 4, 10);
  EXPECT_DOUBLE_EQ(schedule.factor(0), 0.0);
  EXPECT_DOUBLE_EQ(schedule.factor(1), 0.25);
  EXPECT_DOUBLE_EQ(schedule.factor(4), 1.0);
  EXPECT_DOUBLE_EQ(schedule.factor(7), 0.5);
  EXPECT_DOUBLE_EQ(schedule.factor(10), 0.0);
  EXPECT_DOUBLE_EQ(schedule.factor(11), 0.0);
}

TEST(Schedule, CosineIsTransformers) {
  const Schedule schedule(SchedulerType::cosine, 2, 10);
  EXPECT_DOUBLE_EQ(schedule.factor(0), 0.0);
  EXPECT_DOUBLE_EQ(schedule.factor(1), 0.5);
  for (int s = 2; s < 10; ++s)
    EXPECT_DOUBLE_EQ(schedule.factor(s), 0.5 * (1 + std::cos(std::numbers::pi * (s - 2) / 8.0)));
}

TEST(Schedule, GoldenRatesOfTheTenStepRuns) {
  const Json golden = parse_json(read_file(golden_path("smollm2/sft.json")), "sft.json");
  for (const auto& [name, type] :
       {std::pair{"cosine", SchedulerType::cosine}, std::pair{"constant", SchedulerType::constant}}) {
    const Schedule schedule(type, golden["optimizer"]["warmup_steps"], golden["optimizer"]["total_steps"]);
    const double peak = golden["optimizer"]["lr"];
    for (const auto& step : golden[name]["steps"]) {
      EXPECT_NEAR(peak * schedule.factor(step["step"].get<int64_t>() - 1), step["lr"].get<double>(), 1e-12) << name;
    }
  }
}

TEST(Schedule, ConstantIgnoresWarmupAndItsSisterDoesNot) {
  EXPECT_EQ(Schedule(SchedulerType::constant, 5, 10).factor(0), 1.0);
  EXPECT_EQ(Schedule(SchedulerType::constant_with_warmup, 5, 10).factor(2), 0.4);
  EXPECT_EQ(Schedule(SchedulerType::constant_with_warmup, 5, 10).factor(9), 1.0);
}

TEST(Schedule, StepsOfARunRoundUp) {
  RunConfig config;
  EXPECT_EQ(steps_per_epoch(7, 2), 4);
  EXPECT_EQ(steps_per_epoch(0, 2), 1);
  config.num_train_epochs = 1.5;
  EXPECT_EQ(total_steps(config, 5), 8);
  config.max_steps = 3;
  EXPECT_EQ(total_steps(config, 5), 3);
  config.warmup_ratio = 0.1;
  EXPECT_EQ(warmup_steps(config, 15), 2);
  config.warmup_steps = 7;
  EXPECT_EQ(warmup_steps(config, 15), 7);
}

}  // namespace
}  // namespace afina::finetune
