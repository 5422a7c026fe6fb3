// SPDX-License-Identifier: Apache-2.0
#include "finetune/adamw.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace afina::finetune {
namespace {

std::vector<float> noise(int64_t n, uint64_t seed) {
  std::vector<float> out(static_cast<size_t>(n));
  uint64_t state = seed;
  for (auto& x : out) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    x = static_cast<float>(static_cast<double>(state >> 40) / (1 << 23) - 1.0);
  }
  return out;
}

at::Tensor tensor_of(const std::vector<float>& values) {
  return at::from_blob(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size())}, at::kFloat).clone();
}

/// torch/optim/adamw.py, _single_tensor_adamw, with the same ATen calls.
struct TorchAdamW {
  at::Tensor p, m, v;
  int64_t step = 0;
  void update(const at::Tensor& g, double lr, const AdamWOptions& o) {
    ++step;
    p.mul_(1 - lr * o.weight_decay);
    m.lerp_(g, 1 - o.beta1);
    v.mul_(o.beta2).addcmul_(g, g, 1 - o.beta2);
    const double c1 = 1 - std::pow(o.beta1, step), c2 = 1 - std::pow(o.beta2, step);
    const at::Tensor denom = (v.sqrt() / std::sqrt(c2)).add_(o.epsilon);
    p.addcdiv_(m, denom, -(lr / c1));
  }
};

TEST(AdamW, IsTorchsUpdateForTwentySteps) {
  const int64_t n = 40'000;
  const AdamWOptions options{0.9, 0.999, 1e-8, 0.01};
  std::vector<float> ours = noise(n, 1);
  AdamW optimiser(n, options);
  TorchAdamW torch{tensor_of(ours), at::zeros({n}), at::zeros({n})};
  for (int s = 0; s < 20; ++s) {
    const std::vector<float> gradient = noise(n, 100 + static_cast<uint64_t>(s));
    const double rate = s == 0 ? 0.0 : 1e-3 * (20 - s) / 20;
    optimiser.step(ours, gradient, rate);
    torch.update(tensor_of(gradient), rate, options);
  }
  // ATen's vector kernels may fuse a multiply-add: one rounding in a thousand values, never more.
  EXPECT_LT((tensor_of(ours) - torch.p).abs().max().item<float>(), 3e-7F);
  EXPECT_LT((tensor_of(optimiser.state().second_moment) - torch.v).abs().max().item<float>(), 1e-7F);
}

TEST(AdamW, FirstStepMovesByTheRateAgainstTheSign) {
  std::vector<float> p = {1.0F, -1.0F};
  const std::vector<float> g = {3.0F, -0.001F};
  AdamW optimiser(2, {0.9, 0.999, 1e-12, 0.0});
  optimiser.step(p, g, 0.1);
  EXPECT_NEAR(p[0], 0.9F, 1e-6);
  EXPECT_NEAR(p[1], -0.9F, 1e-6);
}

TEST(AdamW, RestoredStateContinuesBitForBitAndALostMomentDoesNot) {
  const int64_t n = 1000;
  const auto run = [&](bool restore_moments) {
    std::vector<float> p = noise(n, 3);
    AdamW first(n, {}), second(n, {});
    first.step(p, noise(n, 4), 1e-2);
    AdamWState state = first.state();
    if (!restore_moments) std::fill(state.second_moment.begin(), state.second_moment.end(), 0.0F);
    second.restore(state);
    second.step(p, noise(n, 5), 1e-2);
    return p;
  };
  std::vector<float> straight = noise(n, 3);
  AdamW optimiser(n, {});
  optimiser.step(straight, noise(n, 4), 1e-2);
  optimiser.step(straight, noise(n, 5), 1e-2);
  EXPECT_EQ(run(true), straight);
  EXPECT_NE(run(false), straight);
  EXPECT_THROW(optimiser.restore({1, {0.0F}, {0.0F}}), InternalError);
}

TEST(GlobalNorm, IsExactAndTheSameForAnyNumberOfThreads) {
  EXPECT_DOUBLE_EQ(global_norm(std::vector<float>{3.0F, 4.0F}), 5.0);
  const std::vector<float> g = noise(200'000, 9);
  at::set_num_threads(1);
  const double one = global_norm(g);
  at::set_num_threads(2);
  EXPECT_EQ(global_norm(g), one);
  EXPECT_NEAR(one, tensor_of(g).to(at::kDouble).norm().item<double>(), 1e-9);
}

TEST(GlobalNorm, TellsNonFiniteGradients) {
  std::vector<float> g(50'000, 0.0F);
  g[49'999] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(global_norm(g)));
  g[49'999] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isinf(global_norm(g)));
}

TEST(ClipGradient, CutsToTheNormOnlyWhereItIsLarger) {
  std::vector<float> g = {3.0F, 4.0F};
  clip_gradient(g, 5.0, 10.0);
  EXPECT_EQ(g, (std::vector<float>{3.0F, 4.0F}));
  clip_gradient(g, 5.0, 0.0);
  EXPECT_EQ(g, (std::vector<float>{3.0F, 4.0F}));
  clip_gradient(g, 5.0, 1.0);
  EXPECT_NEAR(global_norm(g), 1.0, 1e-6);
  EXPECT_FLOAT_EQ(g[0], static_cast<float>(3.0 / (5.0 + 1e-6)));
}

}  // namespace
}  // namespace afina::finetune
