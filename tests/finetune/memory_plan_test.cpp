// SPDX-License-Identifier: Apache-2.0
#include "finetune/config/memory_plan.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace afina::finetune {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kLayers = 10;

/// A model whose layers keep 10 kB a row: 6 of it gate and up, 1 the layer's input.
MemoryBytes arena(const MemoryChoice& choice) {
  int64_t per_row = 10000 * kLayers;
  if (choice.recompute == RecomputeChoice::gate_up) per_row -= 6000 * choice.recompute_layers;
  if (choice.recompute == RecomputeChoice::layer) per_row -= 9000 * choice.recompute_layers;
  MemoryBytes bytes;
  bytes.activations = per_row * choice.micro_rows;
  bytes.work = 1000 * choice.micro_rows;
  return bytes;
}

MemoryQuestion question(int64_t budget) {
  MemoryQuestion q;
  q.budget_bytes = budget;
  q.fixed.weights = 50000000;
  q.arena = arena;
  q.layers = kLayers;
  q.micro_rows = 4096;
  q.longest_row = 300;
  return q;
}

TEST(MemoryPlan, KeepsTheConfiguredMicroBatchWhereItFits) {
  const MemoryPlan plan = plan_memory(question(int64_t{1} << 30));
  EXPECT_EQ(plan.choice.micro_rows, 4096);
  EXPECT_EQ(plan.choice.recompute, RecomputeChoice::none);
  EXPECT_FALSE(plan.split);
  EXPECT_EQ(plan.bytes.total(), 50000000 + 4096 * 101000);
}

TEST(MemoryPlan, SplitsMicroBatchesBeforeItRecomputes) {
  const MemoryPlan plan = plan_memory(question(50000000 + 110000000));
  EXPECT_EQ(plan.choice.micro_rows, 1024);
  EXPECT_EQ(plan.choice.recompute, RecomputeChoice::none);
  EXPECT_TRUE(plan.split);
}

TEST(MemoryPlan, RecomputesAsFewLayersAsPossibleTheCheaperWayFirst) {
  // 512 rows take 51.7 MB as they are; 512 * 6 kB less a layer.
  const MemoryPlan some = plan_memory(question(50000000 + 512 * (101000 - 18000)));
  EXPECT_EQ(some.choice.micro_rows, 512);
  EXPECT_EQ(some.choice.recompute, RecomputeChoice::gate_up);
  EXPECT_EQ(some.choice.recompute_layers, 3);
  const MemoryPlan whole = plan_memory(question(50000000 + 512 * (101000 - 63000)));
  EXPECT_EQ(whole.choice.recompute, RecomputeChoice::layer);
  EXPECT_EQ(whole.choice.recompute_layers, 7);
}

TEST(MemoryPlan, TakesTheSmallestMicroBatchLast) {
  const MemoryPlan plan = plan_memory(question(50000000 + 300 * 11000));
  EXPECT_EQ(plan.choice.micro_rows, 300);
  EXPECT_EQ(plan.choice.recompute, RecomputeChoice::layer);
  EXPECT_EQ(plan.choice.recompute_layers, kLayers);
}

TEST(MemoryPlan, NeverSplitsWhatAnObjectiveNeedsWhole) {
  MemoryQuestion q = question(50000000 + 4096 * 50000);
  q.may_split = false;
  const MemoryPlan plan = plan_memory(q);
  EXPECT_EQ(plan.choice.micro_rows, 4096);
  EXPECT_EQ(plan.choice.recompute, RecomputeChoice::gate_up);
}

TEST(MemoryPlan, ObeysAFixedChoiceOfRecompute) {
  MemoryQuestion q = question(50000000 + 2048 * 50000);
  q.recompute = RecomputeChoice::gate_up;
  const MemoryPlan plan = plan_memory(q);
  EXPECT_EQ(plan.choice.micro_rows, 2048);
  EXPECT_EQ(plan.choice.recompute_layers, kLayers);
  q.recompute = RecomputeChoice::none;
  EXPECT_EQ(plan_memory(q).choice.micro_rows, 512);
}

TEST(MemoryPlan, RefusesWhatCannotFitWithTheNearestSettingThatDoes) {
  try {
    plan_memory(question(50000000 + 100 * 11000 + 10999));
    FAIL() << "must refuse";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("must fit into 0.05 GB, but needs 0.05 GB with the smallest micro-batch (300"));
    EXPECT_THAT(error.what(), HasSubstr("max_length=100 fits"));
  }
  try {
    plan_memory(question(1000));
    FAIL() << "must refuse";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("load_in_4bit"));
  }
}

TEST(MemoryPlan, IsToldInOneLineLargestFirst) {
  const std::string text = describe(plan_memory(question(50000000 + 110000000)));
  EXPECT_THAT(text, HasSubstr("memory 0.15 GB of 0.16 GB: activations 0.10 GB, weights 0.05 GB, work"));
  EXPECT_THAT(text, HasSubstr("split to 1024 tokens"));
}

TEST(MemoryPlan, KnowsThisProcessAndThisMachine) {
  EXPECT_GT(resident_bytes(), 1 << 20);
  EXPECT_GE(peak_resident_bytes(), resident_bytes() / 2);
  EXPECT_GT(available_memory_bytes(), resident_bytes());
}

}  // namespace
}  // namespace afina::finetune
