// SPDX-License-Identifier: Apache-2.0
// Recomputed layers under real adapters: dropout drops the same inputs again, DoRA rescales the same outputs.
#include <ATen/ATen.h>

#include "lora/adapter_set.h"
#include "tests/lora/tiny_adapters.h"

namespace afina::lora {
namespace {

struct AdapterCase {
  const char* name;
  bool dora;
  double dropout;
};

class RecomputeUnder : public ::testing::TestWithParam<AdapterCase> {};

TEST_P(RecomputeUnder, GradientsAreTheSameBits) {
  const auto model = model::load_model(llama31());
  LoraConfig config{.r = 4, .lora_alpha = 8, .target_modules = {"all-linear"}};
  config.use_dora = GetParam().dora;
  config.lora_dropout = GetParam().dropout;
  AdapterSet adapter(shape_of(model->config()), config);
  adapter.initialise(3);
  if (adapter.needs_model()) adapter.bind(model);
  // A fresh B is zero and would hide dropout.
  for (const auto& slot : adapter.slots())
    adapter.b_view(slot).copy_(at::randn({slot.out, slot.r}) * 0.1);
  adapter.refresh();
  const auto batch = TinyGolden(llama31()).batch();
  const model::DropoutKey key{.enabled = true, .seed = 5, .step = 2, .micro_batch = 1};
  const auto gradient = [&](model::Recompute recompute, const model::DropoutKey& with) {
    model::TrainingModel training(model, {.recompute = recompute, .neftune_alpha = 5});
    at::Tensor grad = at::zeros({adapter.parameter_count()});
    training.forward(batch, adapter, with);
    training.backward(batch, adapter, with, std::vector<double>(batch.targets.size(), 0.5), grad);
    return grad;
  };
  const at::Tensor want = gradient(model::Recompute::none, key);
  EXPECT_TRUE(at::equal(gradient(model::Recompute::gate_up, key), want));
  EXPECT_TRUE(at::equal(gradient(model::Recompute::layer, key), want));
  EXPECT_FALSE(at::equal(gradient(model::Recompute::none, {.enabled = true, .seed = 6}), want)) << "another key";
}

INSTANTIATE_TEST_SUITE_P(Adapters, RecomputeUnder,
                         ::testing::Values(AdapterCase{"plain", false, 0}, AdapterCase{"dropout", false, 0.2},
                                           AdapterCase{"dora", true, 0}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace afina::lora
