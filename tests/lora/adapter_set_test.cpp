// SPDX-License-Identifier: Apache-2.0
// The adapter alone against plain ATen formulas and autograd: every module, with and without dropout.
#include "lora/adapter_set.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "lora/dropout.h"

namespace afina::lora {
namespace {

using model::Site;

const DecoderShape kShape{.layers = 2, .hidden = 24, .q_size = 16, .kv_size = 8, .ffn = 40};

std::unique_ptr<AdapterSet> random_adapter(LoraConfig config) {
  auto adapter = std::make_unique<AdapterSet>(kShape, std::move(config));
  at::manual_seed(7);
  adapter->flat_parameters().copy_(at::randn({adapter->parameter_count()}) * 0.1);
  return adapter;
}

int64_t site_outputs(Site site) {
  switch (site) {
    case Site::qkv:
      return kShape.q_size + 2 * kShape.kv_size;
    case Site::gate_up:
      return 2 * kShape.ffn;
    default:
      return kShape.hidden;
  }
}

TEST(AdapterSet, LaysParametersOutWithoutGapsOrOverlap) {
  const AdapterSet adapter(kShape, {.r = 4, .target_modules = {"all-linear"}});
  std::set<std::pair<int64_t, int64_t>> ranges;
  for (const auto& slot : adapter.slots()) {
    ranges.insert({slot.a_begin, slot.a_begin + slot.r * slot.in});
    ranges.insert({slot.b_begin, slot.b_begin + slot.out * slot.r});
  }
  int64_t next = 0;
  for (const auto& [begin, end] : ranges) {
    EXPECT_EQ(begin, next);
    next = end;
  }
  EXPECT_EQ(next, adapter.parameter_count());
  EXPECT_EQ(adapter.slots().size(), 14U);
}

TEST(AdapterSet, StartsAsNoChangeAndIsAFunctionOfTheSeed) {
  AdapterSet one(kShape, {.r = 4, .target_modules = {"q_proj", "down_proj"}}), two(kShape, one.config());
  one.initialise(5);
  two.initialise(5);
  EXPECT_TRUE(at::equal(one.flat_parameters(), two.flat_parameters()));
  two.initialise(6);
  EXPECT_FALSE(at::equal(one.flat_parameters(), two.flat_parameters()));
  for (const auto& slot : one.slots()) {
    EXPECT_EQ(one.b_view(slot).abs().max().item<float>(), 0.0F);
    const float bound = 1.0F / std::sqrt(static_cast<float>(slot.in));
    EXPECT_LE(one.a_view(slot).abs().max().item<float>(), bound);
    EXPECT_NEAR(one.a_view(slot).var().item<float>(), bound * bound / 3, bound * bound / 8);
  }
  auto x = at::randn({5, kShape.hidden});
  auto y = at::randn({5, site_outputs(Site::qkv)});
  const auto before = y.clone();
  one.add_forward(0, Site::qkv, x, y, nullptr, {}, nullptr);
  EXPECT_TRUE(at::equal(y, before));
}

// Plain formula with autograd, module by module.
struct Expected {
  at::Tensor y, dx, flat_grad;
};
Expected reference(const AdapterSet& adapter, int layer, Site site, const at::Tensor& x, const at::Tensor& y0,
                   const at::Tensor& dy, const model::DropoutKey& key) {
  auto flat = adapter.flat_parameters().clone().set_requires_grad(true);
  auto xv = x.clone().set_requires_grad(true);
  auto y = y0.clone();
  for (const auto& slot : adapter.slots()) {
    if (slot.layer != layer || site_of(slot.module) != site) continue;
    auto input = xv;
    if (key.enabled && adapter.config().lora_dropout > 0) {
      auto mask = at::ones_like(x);
      const auto n = static_cast<size_t>(mask.numel());
      apply_dropout({mask.const_data_ptr<float>(), n}, {mask.data_ptr<float>(), n}, adapter.config().lora_dropout,
                    dropout_stream(key, layer, static_cast<int>(slot.module)));
      input = xv * mask;
    }
    auto a = flat.narrow(0, slot.a_begin, slot.r * slot.in).view({slot.r, slot.in});
    auto b = flat.narrow(0, slot.b_begin, slot.out * slot.r).view({slot.out, slot.r});
    auto delta = at::mm(at::mm(input, a.t()), b.t()) * adapter.config().scale();
    const int64_t offset = adapter.shape().output_offset(slot.module);
    y = y + at::constant_pad_nd(delta, {offset, y.size(1) - offset - slot.out});
  }
  const auto grads = torch::autograd::grad({(y * dy).sum()}, {xv, flat});
  return {y.detach(), grads[0], grads[1]};
}

void expect_agreement(const AdapterSet& adapter, Site site, const model::DropoutKey& key) {
  const int layer = 1;
  const int64_t in = site == Site::o ? kShape.q_size : site == Site::down ? kShape.ffn : kShape.hidden;
  const auto x = at::randn({9, in}), y0 = at::randn({9, site_outputs(site)}), dy = at::randn({9, site_outputs(site)});
  const auto expected = reference(adapter, layer, site, x, y0, dy, key);
  auto y = y0.clone();
  auto saved = at::empty({9, adapter.saved_width(layer, site)});
  adapter.add_forward(layer, site, x, y, &saved, key, nullptr);
  EXPECT_LT((y - expected.y).abs().max().item<float>(), 1e-5F);
  auto grad = at::zeros({adapter.parameter_count()});
  auto dx = at::ones({9, in});
  adapter.backward(layer, site, x, dy, saved, &dx, grad, key, nullptr);
  EXPECT_LT((dx - 1 - expected.dx).abs().max().item<float>(), 1e-5F);
  EXPECT_LT((grad - expected.flat_grad).abs().max().item<float>(), 1e-4F);
  EXPECT_GT(grad.abs().max().item<float>(), 0.0F);
}

TEST(AdapterSet, AgreesWithAutogradAtEverySite) {
  const auto adapter = random_adapter({.r = 4, .lora_alpha = 8, .target_modules = {"all-linear"}});
  for (const Site site : {Site::qkv, Site::o, Site::gate_up, Site::down})
    expect_agreement(*adapter, site, {});
}

TEST(AdapterSet, AgreesWithAutogradForSomeModulesOfASite) {
  const auto adapter = random_adapter({.r = 3, .lora_alpha = 6, .target_modules = {"q_proj", "v_proj", "up_proj"}});
  for (const Site site : {Site::qkv, Site::gate_up})
    expect_agreement(*adapter, site, {});
  EXPECT_EQ(adapter->saved_width(0, Site::down), 0);
}

TEST(AdapterSet, AgreesWithAutogradUnderDropout) {
  const auto adapter = random_adapter({.r = 4, .lora_alpha = 8, .lora_dropout = 0.3, .target_modules = {"all-linear"}});
  for (const Site site : {Site::qkv, Site::o, Site::gate_up, Site::down})
    expect_agreement(*adapter, site, {true, 11, 2, 1});
}

TEST(Dropout, KeepsTheExpectedShareAndRepeatsForOneKeyOnly) {
  std::vector<float> ones(20000, 1.0F), first(20000), again(20000), other(20000);
  apply_dropout(ones, first, 0.25, dropout_stream({true, 1, 2, 3}, 4, 5));
  apply_dropout(ones, again, 0.25, dropout_stream({true, 1, 2, 3}, 4, 5));
  apply_dropout(ones, other, 0.25, dropout_stream({true, 1, 3, 3}, 4, 5));
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other);
  const auto kept = std::count_if(first.begin(), first.end(), [](float v) { return v > 0; });
  EXPECT_NEAR(static_cast<double>(kept) / 20000, 0.75, 0.015);
}

}  // namespace
}  // namespace afina::lora
