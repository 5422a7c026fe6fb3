// SPDX-License-Identifier: Apache-2.0
// A reward model's head at the end of the flat buffer, and in PEFT's files.
#include "lora/score_part.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "lora/adapter_set.h"
#include "lora/compose.h"
#include "lora/peft.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::lora {
namespace {

const DecoderShape kShape{.layers = 2, .hidden = 64, .q_size = 16, .kv_size = 8, .ffn = 24};

std::unique_ptr<AdapterSet> reward_adapter(uint64_t seed, bool score_head = true) {
  LoraConfig config;
  config.target_modules = {"all-linear"};
  config.score_head = score_head;
  auto adapter = std::make_unique<AdapterSet>(kShape, config);
  adapter->initialise(seed);
  return adapter;
}

TEST(ScoreHead, LiesAtTheEndOfTheFlatBufferAndLeavesTheRestAsItWas) {
  const auto with = reward_adapter(7), without = reward_adapter(7, false);
  const int64_t modules = without->parameter_count();
  EXPECT_EQ(with->parameter_count(), modules + kShape.hidden);
  EXPECT_TRUE(at::equal(with->flat_parameters().narrow(0, 0, modules), without->flat_parameters()));
  EXPECT_EQ(with->score_weight().data_ptr<float>(), with->flat_parameters().data_ptr<float>() + modules);
  EXPECT_EQ(with->parameter_name(modules), "score");
  EXPECT_FALSE(without->score_weight().defined());
}

TEST(ScoreHead, StartsNormalWithTransformersDeviationFromTheSeed) {
  const at::Tensor score = reward_adapter(7)->score_weight();
  EXPECT_NEAR(score.std().item<double>(), kScoreDeviation, 0.005);
  EXPECT_TRUE(at::equal(score, reward_adapter(7)->score_weight()));
  EXPECT_FALSE(at::equal(score, reward_adapter(8)->score_weight()));
}

TEST(ScoreHead, AddsItsGradientToItsOwnPlaceAlone) {
  const auto adapter = reward_adapter(7);
  at::Tensor gradient = at::zeros({adapter->parameter_count()}, at::kFloat);
  adapter->add_score_gradient(at::ones({kShape.hidden}), gradient);
  adapter->add_score_gradient(at::ones({kShape.hidden}), gradient);
  EXPECT_EQ(gradient.sum().item<float>(), 2.0F * static_cast<float>(kShape.hidden));
  EXPECT_EQ(gradient.narrow(0, 0, adapter->parameter_count() - kShape.hidden).abs().sum().item<float>(), 0.0F);
}

TEST(ScoreHead, IsSavedAsPeftSavesASequenceClassifierAndReadBackWhole) {
  const TempFolder temp;
  const auto adapter = reward_adapter(7);
  save_peft(temp.path() / "reward", *adapter, {"base", "Summary."});
  const Json config = Json::parse(read_file(temp.path() / "reward" / "adapter_config.json"));
  EXPECT_EQ(config.at("task_type"), "SEQ_CLS");
  EXPECT_EQ(config.at("modules_to_save"), Json({"score"}));
  const formats::SafetensorsFile file(temp.path() / "reward" / "adapter_model.safetensors");
  EXPECT_EQ(file.at("base_model.model.score.weight").shape, (std::vector<int64_t>{1, kShape.hidden}));
  const auto again = load_peft(temp.path() / "reward", kShape);
  EXPECT_TRUE(again->config().score_head);
  EXPECT_TRUE(at::equal(again->flat_parameters(), adapter->flat_parameters()));
  EXPECT_EQ(adapter_sha256(*again), adapter_sha256(*adapter));
}

TEST(ScoreHead, IsReadFromAnAdapterThatPeftSavedAndWrittenBackByteForByte) {
  // tests/golden/objectives/reward_adapter.py made it.
  const DecoderShape shape{.layers = 2, .hidden = 16, .q_size = 16, .kv_size = 8, .ffn = 24};
  const TempFolder temp;
  const auto adapter = load_peft(golden_path("objectives/reward_adapter"), shape);
  EXPECT_TRUE(adapter->config().score_head);
  EXPECT_TRUE(adapter->config().modules_to_save.empty());
  EXPECT_GT(adapter->score_weight().abs().min().item<float>(), 0.0F);
  save_peft(temp.path() / "again", *adapter, {"base", "Summary."});
  const formats::SafetensorsFile theirs(golden_path("objectives/reward_adapter") / "adapter_model.safetensors"),
      ours(temp.path() / "again" / "adapter_model.safetensors");
  ASSERT_EQ(ours.tensors().size(), theirs.tensors().size());
  for (const auto& tensor : theirs.tensors()) {
    const auto& mine = ours.at(tensor.name);
    EXPECT_TRUE(std::equal(tensor.bytes.begin(), tensor.bytes.end(), mine.bytes.begin(), mine.bytes.end()))
        << tensor.name;
  }
}

TEST(ScoreHead, OfAFileWithoutItIsRefusedByName) {
  const TempFolder temp;
  save_peft(temp.path() / "plain", *reward_adapter(7, false), {"base", "Summary."});
  const auto file = temp.path() / "plain" / "adapter_config.json";
  Json config = Json::parse(read_file(file));
  config["task_type"] = "SEQ_CLS";
  write_file_atomic(file, config.dump());
  try {
    load_peft(temp.path() / "plain", kShape);
    FAIL() << "read a reward model without its head";
  } catch (const ModelError& error) {
    EXPECT_NE(std::string(error.what()).find("base_model.model.score.weight"), std::string::npos) << error.what();
  }
}

TEST(ScoreHead, IsNotComposedWithOthers) {
  const auto adapter = reward_adapter(7);
  const std::vector<const AdapterSet*> adapters{adapter.get()};
  EXPECT_THROW(compose(ComposeMethod::cat, adapters, std::vector<double>{1.0}), UsageError);
}

}  // namespace
}  // namespace afina::lora
