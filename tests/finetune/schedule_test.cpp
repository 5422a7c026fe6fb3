// SPDX-License-Identifier: Apache-2.0
#include "finetune/schedule.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/support/golden.h"

namespace afina::finetune {
namespace {

TEST(Schedule, LinearRisesThenFallsToZero) {
  const Schedule schedule(SchedulerType::linear, 1.0, 4, 10);
  EXPECT_DOUBLE_EQ(schedule.factor(0), 0.0);
  EXPECT_DOUBLE_EQ(schedule.factor(1), 0.25);
  EXPECT_DOUBLE_EQ(schedule.factor(4), 1.0);
  EXPECT_DOUBLE_EQ(schedule.factor(7), 0.5);
  EXPECT_DOUBLE_EQ(schedule.factor(10), 0.0);
  EXPECT_DOUBLE_EQ(schedule.factor(11), 0.0);
}

TEST(Schedule, CosineIsTransformers) {
  const Schedule schedule(SchedulerType::cosine, 1.0, 2, 10);
  EXPECT_DOUBLE_EQ(schedule.factor(0), 0.0);
  EXPECT_DOUBLE_EQ(schedule.factor(1), 0.5);
  for (int s = 2; s < 10; ++s)
    EXPECT_DOUBLE_EQ(schedule.factor(s), 0.5 * (1 + std::cos(std::numbers::pi * (s - 2) / 8.0)));
}

TEST(Schedule, GoldenRatesOfTheTenStepRuns) {
  const Json golden = parse_json(read_file(golden_path("smollm2/sft.json")), "sft.json");
  for (const auto& [name, type] :
       {std::pair{"cosine", SchedulerType::cosine}, std::pair{"constant", SchedulerType::constant}}) {
    const Schedule schedule(type, golden["optimizer"]["lr"], golden["optimizer"]["warmup_steps"],
                            golden["optimizer"]["total_steps"]);
    for (const auto& step : golden[name]["steps"]) {
      EXPECT_NEAR(schedule.rate(step["step"].get<int64_t>() - 1), step["lr"].get<double>(), 1e-12) << name;
    }
  }
}

TEST(Schedule, ConstantIgnoresWarmupAndItsSisterDoesNot) {
  EXPECT_EQ(Schedule(SchedulerType::constant, 1.0, 5, 10).factor(0), 1.0);
  EXPECT_EQ(Schedule(SchedulerType::constant_with_warmup, 1.0, 5, 10).factor(2), 0.4);
  EXPECT_EQ(Schedule(SchedulerType::constant_with_warmup, 1.0, 5, 10).factor(9), 1.0);
}

const Json& golden_schedules() {
  static const Json all =
      parse_json(read_file(golden_path("optimisers/schedules.json")), "schedules.json")["schedules"];
  return all;
}

RunConfig config_of(const Json& golden) {
  RunConfig config;
  config.learning_rate = 3e-4;
  EXPECT_TRUE(from_string(golden["type"].get<std::string>(), config.lr_scheduler_type));
  for (const auto& [key, value] : golden["kwargs"].items())
    config.lr_scheduler_kwargs.push_back(cat(key, "=", value.is_string() ? value.get<std::string>() : value.dump()));
  return config;
}

TEST(Schedule, EveryOneGivesTransformersRatesAtEveryStep) {
  int compared = 0;
  for (const auto& golden : golden_schedules()) {
    if (golden.contains("values")) continue;
    const RunConfig config = config_of(golden);
    const Schedule schedule(config.lr_scheduler_type, 3e-4, golden["warmup"], golden["total"],
                            schedule_options(config));
    int64_t step = 0;
    for (const auto& rate : golden["rates"])
      EXPECT_NEAR(schedule.rate(step++), rate.get<double>(), 1e-18) << golden.dump() << " step " << step - 1;
    ++compared;
  }
  EXPECT_EQ(compared, 17);
}

TEST(Schedule, PlateausAreTorchsAfterEveryEvaluation) {
  int compared = 0;
  for (const auto& golden : golden_schedules()) {
    if (!golden.contains("values")) continue;
    const RunConfig config = config_of(golden);
    Schedule schedule(config.lr_scheduler_type, 3e-4, 0, 100, schedule_options(config));
    for (size_t i = 0; i < golden["values"].size(); ++i) {
      schedule.evaluated(golden["values"][i]);
      EXPECT_NEAR(schedule.rate(static_cast<int64_t>(i)), golden["rates"][i].get<double>(), 1e-18) << golden.dump();
      // A resumed run goes on from the state alone.
      Schedule resumed(config.lr_scheduler_type, 3e-4, 0, 100, schedule_options(config));
      resumed.restore(schedule.state());
      EXPECT_EQ(resumed.state(), schedule.state());
    }
    EXPECT_LT(schedule.rate(0), 3e-4);
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST(Schedule, SettingsItCannotUseAreNamed) {
  const auto error = [](SchedulerType type, std::vector<std::string> settings) -> std::string {
    RunConfig config;
    config.lr_scheduler_type = type;
    config.lr_scheduler_kwargs = std::move(settings);
    try {
      const Schedule schedule(type, config.learning_rate, 0, 10, schedule_options(config));
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  using ::testing::HasSubstr;
  EXPECT_EQ(error(SchedulerType::polynomial, {"power=2"}), "");
  EXPECT_THAT(error(SchedulerType::linear, {"num_cycles=2"}), HasSubstr("num_cycles"));
  EXPECT_THAT(error(SchedulerType::cosine, {"cycles=2"}), HasSubstr("among num_cycles, but got 'cycles'"));
  EXPECT_THAT(error(SchedulerType::cosine, {"num_cycles"}), HasSubstr("num_cycles=2"));
  EXPECT_THAT(error(SchedulerType::cosine_with_restarts, {"num_cycles=1.5"}), HasSubstr("whole"));
  EXPECT_THAT(error(SchedulerType::polynomial, {"lr_end=1"}), HasSubstr("lr_end"));
  EXPECT_THAT(error(SchedulerType::cosine_with_min_lr, {}), HasSubstr("min_lr"));
  EXPECT_THAT(error(SchedulerType::cosine_with_min_lr, {"min_lr=1e-5", "min_lr_rate=0.1"}), HasSubstr("both"));
  EXPECT_THAT(error(SchedulerType::warmup_stable_decay, {}), HasSubstr("num_decay_steps"));
  EXPECT_THAT(error(SchedulerType::warmup_stable_decay, {"num_decay_steps=2", "decay_type=steep"}), HasSubstr("steep"));
  EXPECT_THAT(error(SchedulerType::reduce_lr_on_plateau, {"factor=nan"}), HasSubstr("factor"));
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
