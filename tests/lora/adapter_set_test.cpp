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
    auto delta = at::mm(at::mm(input, a.t()), b.t());
    if (slot.bias_begin >= 0) delta = delta + flat.narrow(0, slot.bias_begin, slot.out);
    delta = delta * slot.scale;
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

TEST(AdapterSet, AgreesWithAutogradUnderPatternsRsLoraAndBias) {
  const auto adapter = random_adapter({.r = 4,
                                       .lora_alpha = 8,
                                       .use_rslora = true,
                                       .target_modules = {"all-linear"},
                                       .rank_pattern = {{"q_proj", 6}, {"layers.1.mlp.down_proj", 2}},
                                       .alpha_pattern = {{"gate_proj", 3}},
                                       .lora_bias = true});
  EXPECT_EQ(adapter->saved_width(1, Site::qkv), 14);
  EXPECT_EQ(adapter->saved_width(1, Site::down), 2);
  EXPECT_EQ(adapter->saved_width(0, Site::down), 4);
  for (const Site site : {Site::qkv, Site::o, Site::gate_up, Site::down})
    expect_agreement(*adapter, site, {});
}

model::ModelConfig small_config() {
  model::ModelConfig config;
  config.vocab_size = 50;
  config.hidden = 24;
  config.ffn = 40;
  config.layers = 2;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 8;
  return config;
}

at::Tensor site_weight(const model::Model& model, int layer, Site site) {
  const auto& linear = model.linear(layer, site);
  at::Tensor w = at::empty({linear.out_features(), linear.in_features()});
  linear.dequantize_rows(0, w);
  return w;
}

// y0 + (m/n)(Wx + sBAx) − Wx with n detached, as PEFT's DoraLinearLayer; dx without the part that base_scale carries.
TEST(AdapterSet, DoraAgreesWithAutogradAndStartsAsNoChange) {
  const auto model = model::random_model(small_config(), 3);
  AdapterSet adapter(shape_of(model->config()),
                     {.r = 3, .lora_alpha = 6, .target_modules = {"q_proj", "v_proj", "down_proj"}, .use_dora = true});
  adapter.initialise(4);
  adapter.bind(model);
  for (const auto& slot : adapter.slots())
    EXPECT_LT((adapter.magnitude_view(slot) - site_weight(*model, slot.layer, site_of(slot.module))
                                                  .narrow(0, adapter.shape().output_offset(slot.module), slot.out)
                                                  .norm(2, 1))
                  .abs()
                  .max()
                  .item<float>(),
              1e-5F);
  at::manual_seed(5);
  adapter.flat_parameters().add_(at::randn({adapter.parameter_count()}) * 0.1);
  adapter.refresh();
  for (const Site site : {Site::qkv, Site::down}) {
    const at::Tensor w = site_weight(*model, 1, site), x = at::randn({7, w.size(1)}), y0 = at::randn({7, w.size(0)}),
                     dy = at::randn({7, w.size(0)}), base = at::mm(x, w.t());
    auto flat = adapter.flat_parameters().clone().set_requires_grad(true);
    auto xv = x.clone().set_requires_grad(true);
    at::Tensor expected = y0;
    for (const auto& slot : adapter.slots()) {
      if (slot.layer != 1 || site_of(slot.module) != site) continue;
      const int64_t offset = adapter.shape().output_offset(slot.module);
      const auto a = flat.narrow(0, slot.a_begin, slot.r * slot.in).view({slot.r, slot.in});
      const auto b = flat.narrow(0, slot.b_begin, slot.out * slot.r).view({slot.out, slot.r});
      const auto m = flat.narrow(0, slot.magnitude_begin, slot.out);
      const auto n = (w.narrow(0, offset, slot.out) + slot.scale * at::mm(b, a)).norm(2, 1).detach();
      const auto wx = base.narrow(1, offset, slot.out);
      const auto delta = (m / n) * (wx + slot.scale * at::mm(at::mm(xv, a.t()), b.t())) - wx;
      expected = expected + at::constant_pad_nd(delta, {offset, w.size(0) - offset - slot.out});
      EXPECT_LT((adapter.base_scale(1, site).narrow(0, offset, slot.out) - m / n).abs().max().item<float>(), 1e-5F);
    }
    const auto grads = torch::autograd::grad({(expected * dy).sum()}, {xv, flat});
    at::Tensor y = y0.clone(), saved = at::empty({7, adapter.saved_width(1, site)});
    adapter.add_forward(1, site, x, y, &saved, {}, &base);
    EXPECT_LT((y - expected).abs().max().item<float>(), 2e-5F);
    at::Tensor grad = at::zeros({adapter.parameter_count()}), dx = at::zeros_like(x);
    adapter.backward(1, site, x, dy, saved, &dx, grad, {}, &base);
    EXPECT_LT((dx - grads[0]).abs().max().item<float>(), 2e-5F);
    EXPECT_LT((grad - grads[1]).abs().max().item<float>(), 2e-4F);
  }
}

TEST(AdapterSet, PissaStartsAsNoChangeAndIsSavedAsPlainLoraOfTwiceTheRank) {
  const auto model = model::random_model(small_config(), 3);
  AdapterSet adapter(shape_of(model->config()),
                     {.r = 3, .lora_alpha = 6, .target_modules = {"all-linear"}, .init_lora_weights = LoraInit::pissa});
  adapter.initialise(4);
  adapter.bind(model);
  const at::Tensor w = site_weight(*model, 1, Site::down), x = at::randn({7, 40}), y0 = at::randn({7, 24});
  const auto& slot = adapter.slots().back();
  const auto [u, s, vh] = at::linalg_svd(w, false);
  const at::Tensor best = at::mm(u.narrow(1, 0, 3) * s.narrow(0, 0, 3), vh.narrow(0, 0, 3));
  EXPECT_LT((at::mm(adapter.b_view(slot), adapter.a_view(slot)) * slot.scale - best).abs().max().item<float>(), 1e-5F);
  at::Tensor y = y0.clone();
  adapter.add_forward(1, Site::down, x, y, nullptr, {}, nullptr);
  EXPECT_LT((y - y0).abs().max().item<float>(), 1e-5F);
  adapter.flat_parameters().add_(at::randn({adapter.parameter_count()}) * 0.1);
  const auto plain = adapter.plain();
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(plain->config().r, 6);
  EXPECT_DOUBLE_EQ(plain->slots().back().scale, slot.scale);
  at::Tensor ours = y0.clone(), theirs = y0.clone();
  adapter.add_forward(1, Site::down, x, ours, nullptr, {}, nullptr);
  plain->add_forward(1, Site::down, x, theirs, nullptr, {}, nullptr);
  EXPECT_LT((ours - theirs).abs().max().item<float>(), 1e-5F);
  EXPECT_GT((ours - y0).abs().max().item<float>(), 1e-2F);
  at::Tensor dx = at::zeros_like(x), dx_plain = at::zeros_like(x), grad = at::zeros({adapter.parameter_count()}),
             grad_plain = at::zeros({plain->parameter_count()}), dy = at::randn({7, 24});
  adapter.backward(1, Site::down, x, dy, at::mm(x, adapter.a_view(slot).t()), &dx, grad, {}, nullptr);
  plain->backward(1, Site::down, x, dy, at::mm(x, plain->a_view(plain->slots().back()).t()), &dx_plain, grad_plain, {},
                  nullptr);
  EXPECT_LT((dx - dx_plain).abs().max().item<float>(), 2e-5F);
}

TEST(AdapterSet, InitialisesAsPeftDoes) {
  const LoraConfig config{.r = 8, .lora_alpha = 8, .target_modules = {"all-linear"}};
  const DecoderShape shape{.layers = 2, .hidden = 256, .q_size = 256, .kv_size = 128, .ffn = 512};
  const auto made = [&](LoraInit init) {
    LoraConfig own = config;
    own.init_lora_weights = init;
    auto adapter = std::make_unique<AdapterSet>(shape, own);
    adapter->initialise(9);
    return adapter;
  };
  const auto gaussian = made(LoraInit::gaussian), random = made(LoraInit::random), zero = made(LoraInit::zero);
  const auto& slot = gaussian->slots().front();
  EXPECT_NEAR(gaussian->a_view(slot).std().item<float>(), 1.0F / 8, 0.01F);
  EXPECT_NEAR(gaussian->a_view(slot).mean().item<float>(), 0, 0.01F);
  EXPECT_EQ(gaussian->b_view(slot).abs().max().item<float>(), 0);
  EXPECT_NEAR(random->b_view(slot).abs().max().item<float>(), 1 / std::sqrt(8.0F), 0.01F);
  EXPECT_EQ(zero->flat_parameters().abs().max().item<float>(), 0);
}

TEST(AdapterSet, SaysWhyItCannotBeTrained) {
  const AdapterSet dora(kShape, {.r = 2, .lora_dropout = 0.1, .target_modules = {"q_proj"}, .use_dora = true});
  EXPECT_NE(dora.untrainable().find("lora_dropout"), std::string::npos);
  const AdapterSet plain(kShape, {.r = 2, .lora_dropout = 0.1, .target_modules = {"q_proj"}});
  EXPECT_EQ(plain.untrainable(), "");
  EXPECT_EQ(plain.parameter_name(plain.slots().back().b_begin), "layers.1.self_attn.q_proj.lora_B");
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
