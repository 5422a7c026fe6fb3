// SPDX-License-Identifier: Apache-2.0
// What the loss head tells besides log-probabilities, the reward head against autograd, NEFTune's noise, and the name
// of the layer that a bad number came from.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/counter_random.h"
#include "model/cpu_compute.h"
#include "model/model.h"
#include "model/training_model.h"
#include "tests/model/batches.h"
#include "tests/model/oracle.h"
#include "tests/model/toy_adapter.h"

namespace afina::model {
namespace {

ModelConfig toy() {
  ModelConfig c;
  c.vocab_size = 97;
  c.hidden = 40;
  c.ffn = 72;
  c.layers = 3;
  c.heads = 6;
  c.kv_heads = 2;
  c.head_dim = 12;
  c.max_positions = 256;
  c.tied_head = true;
  return c;
}

TEST(LossHead, SumsOfSquaredProbabilitiesAreThoseOfTheWholeDistribution) {
  const auto model = random_model(toy(), 5);
  const auto batch = whole_text(random_ids(30, 97, 3));
  const ToyAdapter adapter(toy(), 2, ToyAdapter::everywhere(toy()), 1);
  TrainingModel training(model, {.want_sum_p2 = true});
  std::vector<int> rows;
  for (const auto& target : batch.targets)
    rows.push_back(target.row);
  const at::Tensor z = training.logits(batch, rows, &adapter).to(at::kDouble);
  const at::Tensor want = at::logsumexp(2 * z, 1) - 2 * at::logsumexp(z, 1);
  for (const HeadSum sum : {HeadSum::wide, HeadSum::log_softmax}) {
    TrainingModel evaluating(model, {.head_sum = sum, .want_sum_p2 = true});
    const TokenStats stats = evaluating.evaluate(batch, &adapter);
    for (size_t i = 0; i < rows.size(); ++i)
      EXPECT_NEAR(stats.log_sum_p2[i], want[static_cast<int64_t>(i)].item<double>(), 2e-6);
  }
  const TokenStats stats = training.forward(batch, adapter, {});
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_NEAR(stats.log_sum_p2[i], want[static_cast<int64_t>(i)].item<double>(), 2e-6);
  EXPECT_TRUE(TrainingModel(model).evaluate(batch, nullptr).log_sum_p2.empty()) << "only where asked for";
}

TEST(LossHead, ChunksAndCrowdedRowsChangeNoBit) {
  const auto model = random_model(toy(), 5);
  const ToyAdapter adapter(toy(), 2, ToyAdapter::everywhere(toy()), 1);
  auto batch = whole_text(random_ids(50, 97, 3));
  add_targets(batch, {7, 7, 7, 7, 7, 3}, {1, 2, 3, 4, 5, 6});  // six answers from one row
  std::vector<double> logp;
  at::Tensor gradient;
  for (const int chunk : {256, 16, 1}) {
    TrainingModel training(model, {.head_chunk_rows = chunk});
    at::Tensor grad = at::zeros_like(adapter.flat_P);
    const TokenStats stats = training.forward(batch, adapter, {});
    training.backward(batch, adapter, {}, std::vector<double>(batch.targets.size(), 0.3), grad);
    if (chunk == 256) logp = stats.logp, gradient = grad;
    EXPECT_EQ(stats.logp, logp) << chunk;
    EXPECT_TRUE(at::equal(grad, gradient)) << chunk;
  }
}

/// A toy adapter with a score head at the end of its flat parameters.
class ScoredAdapter final : public Adapter {
 public:
  explicit ScoredAdapter(const ModelConfig& config)
      : toy(config, 3, ToyAdapter::everywhere(config), 4), flat_P(at::cat({toy.flat_P, at::randn({config.hidden})})) {
    toy.flat_P = flat_P.narrow(0, 0, toy.flat_P.numel());
  }
  int64_t saved_width(int layer, Site site) const override { return toy.saved_width(layer, site); }
  void add_forward(int layer, Site site, const at::Tensor& x, at::Tensor& y, at::Tensor* saved, const DropoutKey& key,
                   const at::Tensor* base) const override {
    toy.add_forward(layer, site, x, y, saved, key, base);
  }
  void backward(int layer, Site site, const at::Tensor& x, const at::Tensor& dy, const at::Tensor& saved,
                at::Tensor* dx, at::Tensor& grad, const DropoutKey& key, const at::Tensor* base) const override {
    toy.backward(layer, site, x, dy, saved, dx, grad, key, base);
  }
  int first_layer() const override { return 0; }
  at::Tensor score_weight() const override {
    return flat_P.narrow(0, toy.flat_P.numel(), flat_P.numel() - toy.flat_P.numel());
  }
  void add_score_gradient(const at::Tensor& d_score_D, at::Tensor& grad) const override {
    grad.narrow(0, toy.flat_P.numel(), d_score_D.numel()).add_(d_score_D);
  }

  ToyAdapter toy;
  at::Tensor flat_P;
};

/// Two texts that share a prompt, with a value on the last row of each.
datasets::PackedBatch pair_of_texts() {
  datasets::PackedBatch batch;
  const int prompt = add_segment(batch, random_ids(13, 97, 1));
  for (const unsigned side : {0U, 1U}) {
    add_segment(batch, random_ids(6 + 3 * static_cast<int>(side), 97, 2 + side), prompt);
    add_targets(batch, {static_cast<int>(batch.rows()) - 1}, {0});
  }
  return batch;
}

TEST(RewardHead, ScoresAndGradientsAgreeWithAutograd) {
  const auto model = random_model(toy(), 5);
  const ScoredAdapter adapter(toy());
  const auto batch = pair_of_texts();
  const std::vector<double> d = {0.7, -1.1};
  at::Tensor flat = adapter.flat_P.to(at::kDouble).requires_grad_();
  const at::Tensor hidden_MD = oracle_hidden(*model, batch, &adapter.toy, flat);
  const at::Tensor want = at::mv(hidden_MD, flat.narrow(0, adapter.toy.flat_P.numel(), toy().hidden));
  (want * at::tensor(at::ArrayRef<double>(d))).sum().backward();
  for (const int chunk : {256, 1}) {
    TrainingModel training(model, {.head_chunk_rows = chunk});
    const TokenStats stats = training.forward(batch, adapter, {});
    ASSERT_EQ(stats.logp.size(), 2U);
    for (int64_t i = 0; i < 2; ++i)
      EXPECT_NEAR(stats.logp[static_cast<size_t>(i)], want[i].item<double>(), 1e-4);
    at::Tensor grad = at::zeros_like(adapter.flat_P);
    training.backward(batch, adapter, {}, d, grad);
    EXPECT_LT(((grad.to(at::kDouble) - flat.grad()).norm() / flat.grad().norm()).item<double>(), 2e-6);
    EXPECT_EQ(training.evaluate(batch, &adapter).logp, stats.logp);
  }
}

TEST(RewardHead, TheSlopeAlongItsGradientIsThatOfFiniteDifferences) {
  ScoredAdapter adapter(toy());
  TrainingModel training(random_model(toy(), 5));
  const auto batch = pair_of_texts();
  const auto loss = [&] {
    const auto scores = training.evaluate(batch, &adapter).logp;
    return std::tanh(scores[0] - scores[1]);
  };
  const auto scores = training.forward(batch, adapter, {}).logp;
  const double slope_of_tanh = 1 - std::pow(std::tanh(scores[0] - scores[1]), 2);
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  training.backward(batch, adapter, {}, std::vector<double>{slope_of_tanh, -slope_of_tanh}, grad);
  const double norm = grad.norm().item<double>(), step = 5e-4;
  const at::Tensor start = adapter.flat_P.clone();
  adapter.flat_P.copy_(start + step * grad / norm);
  const double above = loss();
  adapter.flat_P.copy_(start - step * grad / norm);
  EXPECT_NEAR((above - loss()) / (2 * step) / norm, 1.0, 5e-3);
}

TEST(RewardHead, HoldsNoLogits) {
  ModelConfig config = toy();
  config.vocab_size = 50000;
  const auto model = random_model(config, 5);
  const ScoredAdapter scored(config);
  TrainingModel reward(model), language(model);
  reward.forward(pair_of_texts(), scored, {});
  language.forward(pair_of_texts(), scored.toy, {});
  EXPECT_LT(reward.arena_bytes() + 50000 * 4, language.arena_bytes());
}

TEST(Noise, IsUniformWithTheBoundOfItsSegmentAndAFunctionOfTheKey) {
  const ModelConfig config = toy();
  CpuCompute compute(config);
  const auto batch = pair_of_texts();
  const auto prepared = compute.prepare({batch.positions, batch.segments, batch.targets});
  const DropoutKey key{.enabled = false, .seed = 3, .step = 7, .micro_batch = 1};
  at::Tensor x = at::zeros({batch.rows(), config.hidden}), again = at::zeros_like(x), next = at::zeros_like(x);
  compute.add_noise(*prepared, 5.0, key, x);
  compute.add_noise(*prepared, 5.0, key, again);
  compute.add_noise(*prepared, 5.0, {.seed = 3, .step = 8, .micro_batch = 1}, next);
  EXPECT_TRUE(at::equal(x, again));
  EXPECT_FALSE(at::equal(x, next));
  for (const auto& s : batch.segments) {
    const double bound = 5.0 / std::sqrt(static_cast<double>(s.length * config.hidden));
    const at::Tensor part = x.narrow(0, s.begin, s.length).to(at::kDouble);
    EXPECT_LE(part.abs().max().item<double>(), bound);
    EXPECT_GT(part.abs().max().item<double>(), 0.97 * bound);
    EXPECT_NEAR(part.mean().item<double>() / bound, 0.0, 0.12);
    EXPECT_NEAR(part.square().mean().item<double>() / (bound * bound), 1.0 / 3.0, 0.05);
  }
}

TEST(Noise, ComesWithTrainingOnlyAndRepeatsWithItsKey) {
  const auto model = random_model(toy(), 5);
  const ToyAdapter adapter(toy(), 2, ToyAdapter::everywhere(toy()), 1);
  const auto batch = whole_text(random_ids(20, 97, 3));
  TrainingModel noisy(model, {.neftune_alpha = 5.0}), calm(model);
  const auto clean = calm.forward(batch, adapter, {.step = 1}).logp;
  const auto first = noisy.forward(batch, adapter, {.step = 1}).logp;
  EXPECT_NE(first, clean);
  EXPECT_NE(noisy.forward(batch, adapter, {.step = 2}).logp, first);
  EXPECT_EQ(noisy.forward(batch, adapter, {.step = 1}).logp, first);
  EXPECT_EQ(noisy.evaluate(batch, &adapter).logp, clean);
}

TEST(CounterRandom, FillsItsRangeEvenly) {
  const uint64_t stream = counter_stream({.seed = 1}, kNoisePlace);
  double low = 1, high = -1, sum = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    const double u = static_cast<double>(counter_symmetric(stream, i));
    low = std::min(low, u), high = std::max(high, u), sum += u;
  }
  EXPECT_GE(low, -1.0);
  EXPECT_LT(low, -0.999);
  EXPECT_LT(high, 1.0);
  EXPECT_GT(high, 0.999);
  EXPECT_NEAR(sum / 100000, 0.0, 0.01);
}

TEST(NonFinite, TheFirstLayerThatWentWrongIsNamed) {
  const ModelConfig config = toy();
  const auto model = random_model(config, 5);
  const auto batch = whole_text(random_ids(20, 97, 3));
  ToyAdapter adapter(config, 2, ToyAdapter::everywhere(config), 1);
  TrainingModel training(model);
  training.forward(batch, adapter, {});
  EXPECT_EQ(training.first_non_finite_layer(), "");
  const at::Tensor good = adapter.flat_P.clone();
  const auto spoil = [&](int layer, Site site) {
    adapter.flat_P.copy_(good);
    adapter.views(adapter.flat_P, layer, site).second.fill_(std::numeric_limits<float>::infinity());
    training.forward(batch, adapter, {});
    return training.first_non_finite_layer();
  };
  EXPECT_EQ(spoil(1, Site::qkv), "layer 1, queries, keys and values");
  EXPECT_EQ(spoil(0, Site::o), "layer 0, output projection");
  EXPECT_EQ(spoil(2, Site::down), "layer 2, MLP");
}

TEST(NonFinite, OfAGradientTheLayerNearestToTheLossIsNamed) {
  const ModelConfig config = toy();
  const auto batch = whole_text(random_ids(20, 97, 3));
  const ToyAdapter adapter(config, 2, ToyAdapter::everywhere(config), 1);
  TrainingModel training(random_model(config, 5));
  training.forward(batch, adapter, {});
  at::Tensor grad = at::zeros_like(adapter.flat_P);
  std::vector<double> d(batch.targets.size(), 0.1);
  d[4] = std::numeric_limits<double>::quiet_NaN();
  training.backward(batch, adapter, {}, d, grad);
  EXPECT_EQ(training.first_non_finite_layer(), "layer 2, gradient of gate and up");
}

}  // namespace
}  // namespace afina::model
