// SPDX-License-Identifier: Apache-2.0
// Every kind of PEFT adapter against logits computed by PEFT itself, as read, and as written and read again.
#include <ATen/ATen.h>

#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "tests/lora/tiny_adapters.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;

class Variant : public ::testing::TestWithParam<const char*> {
 protected:
  fs::path folder() const { return llama31() / "variants" / GetParam(); }
  TempFolder temp_;
};

TEST_P(Variant, LogitsEqualPeftsAsReadAndAsWrittenAndReadAgain) {
  const auto model = model::load_model(llama31());
  const TinyGolden golden(folder());
  const auto adapter = load_peft(folder(), model);
  expect_logits(logits_of(model, tiny_ids(), adapter.get()), golden.tensor("logits"));
  save_peft(temp_.path() / "again", *adapter, {"org/base", "Summary."});
  const auto again = load_peft(temp_.path() / "again", model);
  EXPECT_EQ(adapter_sha256(*again), adapter_sha256(*adapter));
  expect_logits(logits_of(model, tiny_ids(), again.get()), golden.tensor("logits"));
  const formats::SafetensorsFile theirs(folder() / "adapter_model.safetensors"),
      ours(temp_.path() / "again" / "adapter_model.safetensors");
  ASSERT_EQ(ours.tensors().size(), theirs.tensors().size());
  for (const auto& tensor : theirs.tensors())
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, ours.at(tensor.name).bytes)) << tensor.name;
}

INSTANTIATE_TEST_SUITE_P(Llama31, Variant,
                         ::testing::Values("rslora", "dora", "patterns", "regex", "all_linear", "layers", "bias",
                                           "save_head"),
                         [](const auto& info) { return std::string(info.param); });

// Sum of log-probabilities along a direction, against its slope by differences. DoRA's direction is the magnitudes: the
// gradient of A and B holds the row norms fixed, which differences do not.
TEST_P(Variant, GradientsThroughTheDecoderEqualDifferences) {
  const auto model = model::load_model(llama31());
  const auto adapter = load_peft(folder(), model);
  if (adapter->head_part()) return;  // refused in training
  const auto batch = TinyGolden(llama31()).batch();
  model::TrainingModel training(model);
  const auto sum = [&] {
    adapter->refresh();
    double total = 0;
    for (const double logp : training.evaluate(batch, adapter.get()).logp)
      total += logp;
    return total;
  };
  at::Tensor grad = at::zeros({adapter->parameter_count()});
  const auto stats = training.forward(batch, *adapter, {});
  training.backward(batch, *adapter, {}, std::vector<double>(stats.logp.size(), 1.0), grad);
  at::manual_seed(1);
  at::Tensor direction = at::randn({adapter->parameter_count()});
  if (adapter->config().use_dora) {
    direction.zero_();
    for (const auto& slot : adapter->slots())
      direction.narrow(0, slot.magnitude_begin, slot.out).copy_(at::randn({slot.out}));
  }
  constexpr double kStep = 5e-4;
  const at::Tensor start = adapter->flat_parameters().clone();
  adapter->flat_parameters().copy_(start + kStep * direction);
  const double above = sum();
  adapter->flat_parameters().copy_(start - kStep * direction);
  const double slope = (above - sum()) / (2 * kStep), expected = at::dot(grad, direction).item<double>();
  EXPECT_NEAR(slope / expected, 1, 0.02) << slope << " " << expected;
}

class Family : public ::testing::TestWithParam<const char*> {};

TEST_P(Family, LogitsWithTheAdapterEqualPefts) {
  const fs::path folder = golden_path(cat("tiny/", GetParam()));
  const TinyGolden golden(folder);
  const auto model = model::load_model(folder);
  const auto adapter = load_peft(folder / "adapter", model);
  expect_logits(logits_of(model, golden.ids(), adapter.get()), golden.tensor("logits_adapter"));
}

INSTANTIATE_TEST_SUITE_P(Tiny, Family,
                         ::testing::Values("llama2", "llama31", "llama32", "mistral", "qwen2", "qwen3", "smollm3"),
                         [](const auto& info) { return std::string(info.param); });

// A folder to break: rslora, whose modules are all seven.
class Broken : public ::testing::Test {
 protected:
  Broken() { fs::copy(llama31() / "variants" / "rslora", folder()); }
  fs::path folder() const { return temp_.path() / "adapter"; }
  void rewrite(const std::function<void(std::vector<formats::TensorView>&)>& change) {
    const formats::SafetensorsFile file(llama31() / "variants" / "rslora" / "adapter_model.safetensors");
    std::vector<formats::TensorView> tensors(file.tensors().begin(), file.tensors().end());
    change(tensors);
    fs::remove(folder() / "adapter_model.safetensors");
    formats::write_safetensors(folder() / "adapter_model.safetensors", tensors);
  }
  std::string refusal() const {
    const auto model = model::load_model(llama31());
    try {
      load_peft(folder(), model);
    } catch (const ModelError& error) {
      return error.what();
    }
    return "accepted";
  }
  TempFolder temp_;
};

TEST_F(Broken, NamesTheMissingHalf) {
  rewrite([](auto& tensors) {
    std::erase_if(tensors, [](const auto& t) { return t.name.ends_with("layers.1.mlp.up_proj.lora_B.weight"); });
  });
  EXPECT_NE(refusal().find("layers.1.mlp.up_proj.lora_B.weight', but does not"), std::string::npos) << refusal();
}

TEST_F(Broken, RefusesTensorsThatWouldStayWithoutEffect) {
  rewrite([](auto& tensors) {
    auto extra = tensors.front();
    extra.name = "base_model.model.model.layers.0.inner.self_attn.q_proj.lora_A.weight";
    tensors.push_back(extra);
  });
  EXPECT_NE(refusal().find(".inner."), std::string::npos) << refusal();
}

TEST_F(Broken, RefusesValuesThatAreNotFinite) {
  std::vector<float> nan(4 * 64, std::nanf(""));
  rewrite([&](auto& tensors) {
    for (auto& tensor : tensors)
      if (tensor.name.ends_with("layers.0.self_attn.q_proj.lora_A.weight"))
        tensor.bytes = std::as_bytes(std::span(nan));
  });
  EXPECT_NE(refusal().find("must be finite"), std::string::npos) << refusal();
}

TEST_F(Broken, RefusesWholeNumbersAndOtherShapes) {
  std::vector<int32_t> ints(4 * 64);
  rewrite([&](auto& tensors) {
    for (auto& tensor : tensors)
      if (tensor.name.ends_with("layers.0.self_attn.q_proj.lora_A.weight")) {
        tensor.bytes = std::as_bytes(std::span(ints));
        tensor.dtype = formats::DType::i32;
      }
  });
  EXPECT_NE(refusal().find("must be F32"), std::string::npos) << refusal();
  rewrite([&](auto& tensors) {
    for (auto& tensor : tensors)
      if (tensor.name.ends_with("layers.0.self_attn.q_proj.lora_A.weight")) tensor.shape = {64, 4};
  });
  EXPECT_NE(refusal().find("must have the shape [4, 64]"), std::string::npos) << refusal();
}

TEST_F(Broken, RefusesARankThatTheTensorsDoNotHaveWithoutAllocatingIt) {
  Json config = Json::parse(read_file(folder() / "adapter_config.json"));
  config["r"] = 60000;
  fs::remove(folder() / "adapter_config.json");
  std::ofstream(folder() / "adapter_config.json") << config.dump();
  EXPECT_NE(refusal().find("must have the shape [60000, 64]"), std::string::npos) << refusal();
}

TEST_F(Broken, RefusesNormsAmongModulesToSave) {
  Json config = Json::parse(read_file(folder() / "adapter_config.json"));
  config["modules_to_save"] = {"norm"};
  fs::remove(folder() / "adapter_config.json");
  std::ofstream(folder() / "adapter_config.json") << config.dump();
  EXPECT_NE(refusal().find("modules_to_save"), std::string::npos) << refusal();
}

TEST(PeftFolders, AnAdapterSavedUnderItsNameIsFoundInItsSubfolder) {
  TempFolder temp;
  fs::create_directory(temp.path() / "a");
  fs::copy(llama31() / "adapter", temp.path() / "a" / "style");
  EXPECT_EQ(load_peft(temp.path() / "a", model::load_model(llama31()))->slots().size(), 14U);
}

// LoRA on head and embedding: y = (W + sBA) h, and rows of E + s(B A)ᵀ, checked on dense weights.
TEST(PeftFolders, LoraOnHeadAndEmbeddingChangesThem) {
  const auto model = model::load_model(llama31());
  const DecoderShape shape = shape_of(model->config());
  LoraConfig config{.r = 2, .lora_alpha = 6, .target_modules = {"q_proj", "lm_head", "embed_tokens"}};
  at::manual_seed(3);
  AdapterSet adapter(shape, config);
  adapter.initialise(1);
  VocabPart head{.a = at::randn({2, 64}), .b = at::randn({320, 2}), .scale = 3};
  VocabPart embedding{.is_embedding = true, .a = at::randn({2, 320}), .b = at::randn({64, 2}), .scale = 3};
  adapter.set_head_part(head);
  adapter.set_embedding_part(embedding);
  TempFolder temp;
  save_peft(temp.path() / "x", adapter, {"org/base", ""});
  const auto loaded = load_peft(temp.path() / "x", model);
  const auto dense = [](const model::FrozenLinear& linear) {
    at::Tensor w = at::empty({linear.out_features(), linear.in_features()});
    linear.dequantize_rows(0, w);
    return w;
  };
  ASSERT_NE(loaded->head(), nullptr);
  ASSERT_NE(loaded->embedding(), nullptr);
  EXPECT_TRUE(at::allclose(dense(*loaded->head()), dense(model->head()) + 3 * at::mm(head.b, head.a), 1e-5, 1e-5));
  EXPECT_TRUE(at::allclose(dense(*loaded->embedding()),
                           dense(model->embedding()) + 3 * at::mm(embedding.b, embedding.a).t(), 1e-5, 1e-5));
  EXPECT_NE(loaded->untrainable(), "");
}

}  // namespace
}  // namespace afina::lora
