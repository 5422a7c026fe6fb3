// SPDX-License-Identifier: Apache-2.0
// Every family against the peers' numbers (tests/golden/tiny): logits, loss and gradients of a LoRA adapter, from the
// folder and from a GGUF of the same weights, packed and by generation.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/generator.h"
#include "model/gguf_names.h"
#include "model/training_model.h"
#include "tests/model/family_gguf.h"
#include "tests/model/peft_adapter.h"
#include "tests/model/tiny_golden.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::model {
namespace {

namespace fs = std::filesystem;

/// (family, from a GGUF?)
class Family : public ::testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  void SetUp() override {
    folder_ = golden_path(cat("tiny/", std::get<0>(GetParam())));
    fs::path path = folder_;
    if (std::get<1>(GetParam())) {
      path = temp_.path() / "tiny.gguf";
      write_family_gguf(folder_, path);
    }
    model_ = load_model(path);
    golden_ = std::make_unique<TinyGolden>(folder_);
  }
  fs::path folder_;
  TempFolder temp_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<TinyGolden> golden_;
};

TEST_P(Family, LogitsEqualThePeersWithAndWithoutAdapter) {
  const PeftAdapter adapter(folder_ / "adapter", *model_);
  const auto ids = golden_->ids();
  TrainingModel training(model_);
  expect_logits(training.logits(whole_text(ids), TinyGolden::all_rows(ids), nullptr), golden_->tensor("logits"));
  expect_logits(training.logits(whole_text(ids), TinyGolden::all_rows(ids), &adapter),
                golden_->tensor("logits_adapter"));
}

TEST_P(Family, LossAndGradientsEqualThePeers) {
  const PeftAdapter adapter(folder_ / "adapter", *model_);
  const auto batch = golden_->batch();
  TrainingModel training(model_);
  const auto stats = training.forward(batch, adapter, {});
  const auto n = static_cast<double>(stats.logp.size());
  const Json golden = golden_->json();
  const double loss = -std::accumulate(stats.logp.begin(), stats.logp.end(), 0.0) / n;
  EXPECT_NEAR(loss / golden["loss"].get<double>(), 1.0, 1e-5);
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  training.backward(batch, adapter, {}, std::vector<double>(stats.logp.size(), -1 / n), grad);
  ASSERT_EQ(golden["grad_norms"].size(), adapter.names().size());
  for (const std::string& name : adapter.names()) {
    const at::Tensor got = adapter.view(grad, name);
    const double norm = golden["grad_norms"][name].get<double>();
    EXPECT_NEAR(got.norm().item<double>() / norm, 1.0, 1e-4) << name;
    if (golden_->file.find("grad." + name) == nullptr) continue;
    EXPECT_LE((got - golden_->tensor("grad." + name)).abs().max().item<double>(), 1e-4 * norm) << name;
  }
}

TEST_P(Family, DecodingOverACacheGivesThePackedLogprobs) {
  const auto adapter = std::make_shared<PeftAdapter>(folder_ / "adapter", *model_);
  auto ids = golden_->ids();
  ids.resize(9);
  SamplingParams params;
  params.max_new_tokens = 40;
  params.temperature = 0;
  const Generated out = generate(model_, ids, params, adapter);
  ASSERT_EQ(out.ids.size(), 40U);
  ids.insert(ids.end(), out.ids.begin(), out.ids.end());
  TrainingModel training(model_);
  const TokenStats stats = training.evaluate(whole_text(ids), adapter.get());
  for (size_t i = 0; i < out.ids.size(); ++i) {
    EXPECT_NEAR(out.logprobs[i], stats.logp[8 + i], 1e-4) << i;
    EXPECT_EQ(stats.correct[8 + i], 1) << i;
  }
}

TEST_P(Family, ConfigsOfFolderAndGgufAgree) {
  const ModelConfig& c = model_->config();
  const ModelConfig want = config_from_hf(parse_json(read_file(folder_ / "config.json"), "config.json"), "config.json");
  EXPECT_EQ(c.gguf_architecture, want.gguf_architecture);
  EXPECT_EQ(c.tied_head, want.tied_head);
  EXPECT_EQ(c.qkv_bias, want.qkv_bias);
  EXPECT_EQ(c.qk_norm, want.qk_norm);
  EXPECT_EQ(c.head_dim, want.head_dim);
  for (int64_t l = 0; l < c.layers; ++l)
    EXPECT_EQ(c.rotates(l), want.rotates(l)) << l;
}

INSTANTIATE_TEST_SUITE_P(
    Golden, Family,
    ::testing::Combine(::testing::Values("llama2", "llama31", "llama32", "mistral", "qwen2", "qwen3", "smollm3"),
                       ::testing::Bool()),
    [](const auto& info) { return cat(std::get<0>(info.param), std::get<1>(info.param) ? "_gguf" : "_folder"); });

TEST(AdapterVariants, DoraAndASavedHeadEqualThePeers) {
  const auto model = load_model(golden_path("tiny/llama31"));
  const auto ids = TinyGolden(golden_path("tiny/llama31")).ids();
  for (const char* variant : {"dora", "save_head"}) {
    const auto folder = golden_path(cat("tiny/llama31/variants/", variant));
    const PeftAdapter adapter(folder, *model);
    TrainingModel training(model);
    expect_logits(training.logits(whole_text(ids), TinyGolden::all_rows(ids), &adapter),
                  TinyGolden(folder).tensor("logits"));
  }
}

TEST(AdapterVariants, GradientsFlowThroughRescaledSitesAndAnotherHead) {
  const auto model = load_model(golden_path("tiny/llama31"));
  const auto batch = whole_text(random_ids(40, 320, 3));
  for (const char* variant : {"dora", "save_head"}) {
    PeftAdapter adapter(golden_path(cat("tiny/llama31/variants/", variant)), *model);
    TrainingModel training(model);
    const auto n = training.forward(batch, adapter, {}).logp.size();
    at::Tensor grad = at::zeros_like(adapter.flat_P);
    training.backward(batch, adapter, {}, std::vector<double>(n, 1.0), grad);
    // PEFT holds DoRA's norms constant in the gradient, so only what lies below the rescaled sites is a derivative:
    // the first layer's q_proj through the layers above it, measured with its own norm taken out.
    const std::string name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
    const bool rescaled = adapter.rescales_base(0, Site::qkv);
    at::Tensor b = adapter.view(adapter.flat_P, name), magnitude;
    const std::string of_magnitude = "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector";
    const at::Tensor factors =
        rescaled ? adapter.base_scale(0, Site::qkv).narrow(0, 0, b.size(0)).clone() : at::Tensor();
    const auto value = [&](const at::Tensor& direction, double step) {
      const at::Tensor before = b.clone();
      b.add_(direction, step);
      if (rescaled) {  // keep the factor of every row where it was
        magnitude = adapter.view(adapter.flat_P, of_magnitude);
        magnitude.mul_(factors / adapter.base_scale(0, Site::qkv).narrow(0, 0, b.size(0)));
      }
      const auto logp = training.evaluate(batch, &adapter).logp;
      b.copy_(before);
      if (rescaled) magnitude.mul_(factors / adapter.base_scale(0, Site::qkv).narrow(0, 0, b.size(0)));
      return std::accumulate(logp.begin(), logp.end(), 0.0);
    };
    const at::Tensor direction = adapter.view(grad, name) / adapter.view(grad, name).norm();
    const double slope = (value(direction, 2e-3) - value(direction, -2e-3)) / 4e-3;
    EXPECT_NEAR(slope / adapter.view(grad, name).norm().item<double>(), 1.0, 5e-3) << variant;
  }
}

TEST(AdapterVariants, SequencesWithTheirOwnHeadsAndEmbeddingsDecodeTogetherAsAlone) {
  const auto model = load_model(golden_path("tiny/llama31"));
  const auto variant = [&](const char* name) {
    return std::make_shared<PeftAdapter>(golden_path(cat("tiny/llama31/variants/", name)), *model);
  };
  const auto other_embedding = variant("rslora");
  other_embedding->set_embedding(at::randn({320, 64}));
  const std::vector<std::shared_ptr<const Adapter>> adapters = {variant("save_head"), nullptr, variant("dora"),
                                                                other_embedding};
  SamplingParams params;
  params.max_new_tokens = 12;
  params.temperature = 0;
  Generator generator(model);
  std::vector<SequenceId> order;
  std::vector<Generated> alone;
  for (size_t i = 0; i < adapters.size(); ++i) {
    const auto prompt = random_ids(5 + static_cast<int>(i), 320, static_cast<unsigned>(i));
    alone.push_back(generate(model, prompt, params, adapters[i]));
    order.push_back(generator.add(prompt, params, adapters[i]));
  }
  std::map<SequenceId, std::vector<int>> together;
  while (generator.size() > 0)
    for (const TokenEvent& event : generator.step())
      together[event.sequence].push_back(event.token);
  for (size_t i = 0; i < order.size(); ++i)
    EXPECT_EQ(together[order[i]], alone[i].ids) << i;
  EXPECT_NE(alone[0].ids, alone[1].ids);
}

TEST(GgufNames, EveryNameOfEveryFamilyGoesThereAndBack) {
  for (const char* family : {"llama2", "qwen2", "qwen3", "smollm3"}) {
    const formats::SafetensorsSet set(golden_path(cat("tiny/", family)));
    for (const auto* tensor : set.tensors()) {
      EXPECT_EQ(gguf_name(tensor->name), tiny_gguf_name(tensor->name));
      EXPECT_EQ(hf_name(gguf_name(tensor->name)), tensor->name);
    }
  }
  for (const char* name : {"rope_freqs.weight", "blk.x.attn_q.weight", "blk.1.attn_q", "blk.01.attn_q.weight", "blk..",
                           "blk.0.attn_q.scale", "token_embd.bias", ""})
    EXPECT_FALSE(hf_name(name).has_value()) << name;
}

TEST(GgufNames, RowsGoThereAndBack) {
  EXPECT_EQ(gguf_row(16 + 3, 16), 16 + 6);
  EXPECT_EQ(gguf_row(16 + 8 + 3, 16), 16 + 7);
  for (int64_t row = 0; row < 96; ++row)
    EXPECT_EQ(hf_row(gguf_row(row, 24), 24), row);
}

}  // namespace
}  // namespace afina::model
