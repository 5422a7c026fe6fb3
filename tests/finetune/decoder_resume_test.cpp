// SPDX-License-Identifier: Apache-2.0
// Exact resume of the real thing: a small decoder with a LoRA adapter, dropout, accumulation and packing on, killed at
// a random step.
#include <gmock/gmock.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "base/error.h"
#include "finetune/decoder_policy.h"
#include "finetune/trainer.h"
#include "lora/config.h"
#include "tests/finetune/child.h"
#include "tests/finetune/toy_run.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::finetune::toy {
namespace {

constexpr double kDropout = 0.2;

using Copies = DecoderPolicy::Copies;

std::unique_ptr<DecoderPolicy> small_decoder(double dropout, Copies copies = Copies::where_needed) {
  const auto model = model::load_model(golden_path("tiny/llama31"));
  lora::LoraConfig config;
  config.r = 4;
  config.lora_dropout = dropout;
  config.target_modules = {"all-linear"};
  auto adapter = std::make_unique<lora::AdapterSet>(lora::shape_of(model->config()), config);
  adapter->initialise(7);
  lora::PeftInfo info;
  info.base_model = "tiny";
  return std::make_unique<DecoderPolicy>(model, std::move(adapter), info, model::TrainingModelOptions{}, copies);
}

RunConfig decoder_config() {
  RunConfig config = toy_config();
  config.learning_rate = 5e-3;
  config.lora_dropout = kDropout;
  config.max_steps = 12;
  config.save_steps = 3;
  config.packing = true;
  config.max_length = 32;
  config.optim = OptimiserType::adamw_8bit;
  config.loraplus_lr_ratio = 4.0;
  return config;
}

struct DecoderRun {
  RunConfig config = decoder_config();
  ToyRows rows{37, false};
  dpo::SftLoss objective;
  std::unique_ptr<DecoderPolicy> policy;
  ShuffledBatches batches{rows, config, [this](const auto& batch) { return objective.divisor_share(batch); }};
  CheckpointStore checkpoints;
  Trainer trainer;
  DecoderRun(const std::filesystem::path& folder, RunSink& sink, double dropout = kDropout,
             Copies copies = Copies::where_needed)
      : policy(small_decoder(dropout, copies)),
        checkpoints(folder / "checkpoints", 3),
        trainer(config, {*policy, objective, batches, rows, nullptr, {}, sink, checkpoints, {}}) {}
  std::vector<float> parameters() {
    const float* p = policy->parameters().data_ptr<float>();
    return {p, p + policy->parameters().numel()};
  }
};

TEST(DecoderChild, DISABLED_KilledAfterAStep) {
  MemorySink sink;
  sink.on_record = [](const StepRecord& record) {
    if (record.step == std::atoll(std::getenv("AFINA_TEST_STEP"))) ::kill(::getpid(), SIGKILL);
  };
  DecoderRun run(std::getenv("AFINA_TEST_FOLDER"), sink);
  run.trainer.run({});
}

TEST(DecoderResume, AKillAtARandomStepChangesNoBitOfTheAdapter) {
  const TempFolder whole, broken;
  MemorySink sink;
  DecoderRun straight(whole.path(), sink);
  const std::vector<float> start = straight.parameters();
  straight.trainer.run({});
  EXPECT_LT(*sink.records.back().find("loss"), *sink.records.front().find("loss"));
  const size_t step = 4 + std::random_device{}() % 8;
  SCOPED_TRACE(cat("killed after step ", step));
  ::setenv("AFINA_TEST_STEP", std::to_string(step).c_str(), 1);
  const int status = run_child("DecoderChild.DISABLED_KilledAfterAStep", broken.path());
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  MemorySink rest;
  DecoderRun resumed(broken.path(), rest);
  resumed.trainer.restore(*resumed.checkpoints.newest_valid());
  EXPECT_EQ(resumed.trainer.step(), static_cast<int64_t>((step - 1) / 3 * 3));
  resumed.trainer.run({});
  EXPECT_NE(straight.parameters(), start);
  EXPECT_EQ(resumed.parameters(), straight.parameters());
  EXPECT_EQ(*rest.records.back().find("loss"), *sink.records.back().find("loss"));
}

TEST(DecoderResume, TheControlADropoutThatDoesNotResumeIsSeen) {
  const TempFolder whole, other;
  MemorySink sink, rest;
  DecoderRun straight(whole.path(), sink);
  straight.trainer.run({});
  DecoderRun without(other.path(), rest, /*dropout=*/0.0);
  without.trainer.run({});
  EXPECT_NE(without.parameters(), straight.parameters());
}

TEST(DecoderCopies, OfParametersAndGradientAsAGpuHasThemChangeNoBit) {
  const TempFolder plain_folder, copied_folder;
  MemorySink plain_sink, copied_sink;
  DecoderRun plain(plain_folder.path(), plain_sink);
  DecoderRun copied(copied_folder.path(), copied_sink, kDropout, Copies::always);
  plain.trainer.run({});
  copied.trainer.run({});
  EXPECT_EQ(copied.parameters(), plain.parameters());
  EXPECT_EQ(*copied_sink.records.back().find("loss"), *plain_sink.records.back().find("loss"));
  DecoderRun resumed(copied_folder.path(), copied_sink, kDropout, Copies::always);
  resumed.trainer.restore(*resumed.checkpoints.newest_valid());
  EXPECT_EQ(resumed.parameters(), plain.parameters());
}

TEST(DecoderCopies, AreReadUntilTheyAreToldOfAChange) {
  const auto policy = small_decoder(0.0, Copies::always);
  const ToyRows rows(2, false);
  const int64_t some[] = {0, 1};
  const auto batch = rows.pack(some);
  const auto before = policy->evaluate(batch, true).logp;
  policy->parameters().add_(0.1);
  EXPECT_EQ(policy->evaluate(batch, true).logp, before);
  policy->parameters_changed();
  EXPECT_NE(policy->evaluate(batch, true).logp, before);
}

TEST(DecoderCopies, OfAdaptersThatWorkOnTheCpuOnlyAreRefused) {
  const auto model = model::load_model(golden_path("tiny/llama31"));
  lora::LoraConfig config;
  config.target_modules = {"all-linear"};
  config.use_dora = true;
  lora::AdapterSet dora(lora::shape_of(model->config()), config);
  try {
    dora.place(at::kCPU);
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("must be plain LoRA"));
  }
}

TEST(DecoderBlocks, CoverTheAdapterInOrder) {
  const auto policy = small_decoder(0.0);
  int64_t end = 0;
  for (const auto& block : policy->blocks()) {
    EXPECT_EQ(block.begin, end) << block.name;
    EXPECT_EQ(policy->parameter_name(block.begin), block.name);
    end += block.size();
  }
  EXPECT_EQ(end, policy->parameters().numel());
}

}  // namespace
}  // namespace afina::finetune::toy
