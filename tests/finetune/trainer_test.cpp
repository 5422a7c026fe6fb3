// SPDX-License-Identifier: Apache-2.0
#include "finetune/trainer.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "tests/finetune/toy_run.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune::toy {
namespace {

using ::testing::HasSubstr;

RunConfig one_step_config() {
  RunConfig config = toy_config();
  config.max_steps = 1;
  config.warmup_steps = 0;
  config.lora_dropout = 0.0;
  config.adam_epsilon = 1.0;  // makes the update a smooth function of the gradient
  config.shuffle = false;
  config.per_device_train_batch_size = 12;
  config.gradient_accumulation_steps = 1;
  return config;
}

struct OneStep {
  double loss, norm;
  std::vector<float> parameters;
};

OneStep one_step(RunKind kind, const RunConfig& config) {
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(kind, config, folder.path(), sink, /*fresh=*/false, /*n_rows=*/12);
  run.trainer->run({});
  return {*sink.records.at(0).find("loss"), *sink.records.at(0).find("grad_norm"), run.parameters()};
}

void expect_same(const OneStep& a, const OneStep& b) {
  EXPECT_NEAR(a.loss, b.loss, 1e-12);
  EXPECT_NEAR(a.norm, b.norm, 1e-6 * a.norm);
  for (size_t i = 0; i < a.parameters.size(); ++i)
    EXPECT_NEAR(a.parameters[i], b.parameters[i], 1e-7) << i;
}

class EveryKind : public ::testing::TestWithParam<RunKind> {};
INSTANTIATE_TEST_SUITE_P(Trainer, EveryKind, ::testing::Values(RunKind::sft, RunKind::dpo),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST_P(EveryKind, AnySplitIntoMicroBatchesGivesTheSameLossAndGradient) {
  const RunConfig whole = one_step_config();
  RunConfig split = whole, uneven = whole, bounded = whole;
  split.per_device_train_batch_size = 2;
  split.gradient_accumulation_steps = 6;
  uneven.per_device_train_batch_size = 5;
  uneven.gradient_accumulation_steps = 3;
  bounded.tokens_per_micro_batch = 20;
  const OneStep expected = one_step(GetParam(), whole);
  for (const auto& config : {split, uneven, bounded})
    expect_same(one_step(GetParam(), config), expected);
}

TEST_P(EveryKind, PackingChangesNoLoss) {
  RunConfig packed = one_step_config();
  packed.packing = true;
  packed.max_length = 40;
  expect_same(one_step(GetParam(), packed), one_step(GetParam(), one_step_config()));
}

TEST(Trainer, AWrongDivisorIsSeen) {
  // The control of the two tests above: a divisor per micro-batch instead of per optimiser batch.
  class WrongDivisor final : public BatchSource {
   public:
    explicit WrongDivisor(BatchSource& inner) : inner_(inner) {}
    datasets::OptimiserBatch next() override {
      auto batch = inner_.next();
      batch.divisors.main =
          dpo::SftLoss().divisor_share(batch.micro.front()).main * static_cast<double>(batch.micro.size());
      return batch;
    }
    Cursor cursor() const override { return inner_.cursor(); }
    void seek(const Cursor& cursor) override { inner_.seek(cursor); }
    int64_t micro_batches_per_epoch() const override { return inner_.micro_batches_per_epoch(); }
    int64_t rows() const override { return inner_.rows(); }

   private:
    BatchSource& inner_;
  };
  RunConfig config = one_step_config();
  const double right = one_step(RunKind::sft, config).loss;
  config.per_device_train_batch_size = 2;
  config.gradient_accumulation_steps = 6;
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(RunKind::sft, config, folder.path(), sink, false, 12);
  WrongDivisor wrong(*run.batches);
  Trainer trainer(config, {run.policy, *run.objective, wrong, run.rows, nullptr, {}, sink, run.checkpoints, {}});
  trainer.run({});
  EXPECT_GT(std::abs(*sink.records.at(0).find("loss") - right), 1e-3);
}

TEST(Trainer, FirstDpoStepOnAFreshAdapterIsLn2) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = one_step_config();
  ToyRun run(RunKind::dpo, config, folder.path(), sink, /*fresh=*/true);
  run.trainer->run({});
  EXPECT_NEAR(*sink.records.at(0).find("loss"), std::log(2.0), 1e-6);
  EXPECT_NEAR(*sink.records.at(0).find("rewards/margins"), 0.0, 1e-9);
  EXPECT_EQ(*sink.records.at(0).find("rewards/accuracies"), 0.0);
}

TEST(Trainer, TheReferenceOfAContinuedAdapterIsItsStart) {
  RunConfig config = one_step_config();
  for (const auto reference : {ReferencePolicy::start, ReferencePolicy::base}) {
    const TempFolder folder;
    MemorySink sink;
    config.reference = reference;
    ToyRun run(RunKind::dpo, config, folder.path(), sink, /*fresh=*/false);
    run.trainer->run({});
    const double margin = *sink.records.at(0).find("rewards/margins");
    if (reference == ReferencePolicy::start) {
      EXPECT_NEAR(margin, 0.0, 1e-9);
      EXPECT_NEAR(*sink.records.at(0).find("loss"), std::log(2.0), 1e-6);
    } else {
      EXPECT_GT(std::abs(margin), 1e-4);
    }
  }
}

TEST_P(EveryKind, TrainingLowersTheLossAndRecordsThePeersNames) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = toy_config();
  config.max_steps = 60;
  config.eval_steps = 25;
  ToyRun run(GetParam(), config, folder.path(), sink);
  const RunOutcome outcome = run.trainer->run({});
  ASSERT_EQ(sink.records.size(), 60U);
  EXPECT_EQ(outcome.steps, 60);
  EXPECT_EQ(sink.total, 60);
  EXPECT_LT(*sink.records.back().find("loss"), *sink.records.front().find("loss"));
  for (const char* name :
       {"loss", "grad_norm", "learning_rate", "epoch", "num_tokens", "tokens_per_second", "mean_token_accuracy"}) {
    EXPECT_NE(sink.records[0].find(name), nullptr) << name;
  }
  EXPECT_EQ(sink.records[0].find("eval_loss"), nullptr);
  EXPECT_NE(sink.records[24].find("eval_loss"), nullptr);
  EXPECT_LT(*sink.records[59].find("eval_loss"), *sink.records[24].find("eval_loss") + 0.2);
  if (GetParam() == RunKind::dpo) {
    for (const char* name : {"rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins",
                             "logps/chosen", "logps/rejected", "eval_rewards/margins"}) {
      EXPECT_NE(sink.records[59].find(name), nullptr) << name;
    }
  }
  // Every epoch of 37 rows in batches of 6 has 7 steps, the last of one row.
  EXPECT_DOUBLE_EQ(*sink.records[6].find("epoch"), 1.0);
  EXPECT_EQ(sink.example_losses.size(), static_cast<size_t>(outcome.examples_seen));
}

TEST(Trainer, EvaluationDoesNotDependOnItsBatches) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = toy_config();
  ToyRun run(RunKind::dpo, config, folder.path(), sink, false);
  const EvaluationSet set{&run.held_out, run.held_out_reference.get()};
  const auto one = evaluate_rows(run.policy, *run.objective, set, config, {});
  config.per_device_train_batch_size = 4;
  config.tokens_per_micro_batch = 30;
  const auto other = evaluate_rows(run.policy, *run.objective, set, config, {});
  ASSERT_EQ(one.size(), other.size());
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].first, other[i].first);
    EXPECT_NEAR(one[i].second, other[i].second, 1e-12) << one[i].first;
  }
}

std::string error_of(Trainer& trainer, std::stop_token stop = {}) {
  try {
    trainer.run(std::move(stop));
  } catch (const Error& error) {
    return cat(to_string(error.kind()), ": ", error.what());
  }
  return "no error";
}

TEST(Trainer, ALossThatIsNotANumberStopsAtItsStepAndNamesTheRow) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = toy_config();
  config.shuffle = false;
  ToyRun run(RunKind::sft, config, folder.path(), sink);
  run.rows.set_token(15, 1, kVocab - 1);
  run.policy.poisoned_token = kVocab - 1;
  const std::string message = error_of(*run.trainer);
  EXPECT_THAT(message, HasSubstr("model: "));
  EXPECT_THAT(message, HasSubstr("at step 3"));
  EXPECT_THAT(message, HasSubstr("toy.jsonl:16"));
  for (const float p : run.parameters())
    ASSERT_TRUE(std::isfinite(p));
  ASSERT_TRUE(run.checkpoints.newest_valid());
  EXPECT_EQ(run.checkpoints.newest_valid()->step, 2);
}

TEST(Trainer, AnInfiniteGradientStopsBeforeTheUpdateAndNamesTheParameter) {
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sink);
  run.policy.poison_gradient = true;
  const std::string message = error_of(*run.trainer);
  EXPECT_THAT(message, HasSubstr("table[5]"));
  EXPECT_THAT(message, HasSubstr("at step 1"));
  for (const float p : run.parameters())
    ASSERT_EQ(p, 0.0F);
}

TEST(Trainer, AFullDiskKeepsTrainingAndTheOlderCheckpointThenGivesUp) {
  const TempFolder folder;
  MemorySink sink;
  ToyRun run(RunKind::sft, toy_config(), folder.path(), sink);
  int saves = 0;
  run.policy.on_save = [&] {
    if (++saves > 1) throw StorageError("[test] must write, but got: no space left.");
  };
  EXPECT_THAT(error_of(*run.trainer), HasSubstr("no space left"));
  EXPECT_EQ(saves, 4);
  EXPECT_EQ(sink.records.size(), 20U);
  EXPECT_EQ(run.checkpoints.newest_valid()->step, 5);
}

TEST(Trainer, LoggingStepsThinsTheRecordsAndKeepsTheLast) {
  const TempFolder folder;
  MemorySink sink;
  RunConfig config = toy_config();
  config.logging_steps = 8;
  ToyRun run(RunKind::sft, config, folder.path(), sink);
  run.trainer->run({});
  ASSERT_EQ(sink.records.size(), 3U);
  EXPECT_EQ(sink.records[0].step, 8);
  EXPECT_EQ(sink.records[2].step, 20);
}

}  // namespace
}  // namespace afina::finetune::toy
