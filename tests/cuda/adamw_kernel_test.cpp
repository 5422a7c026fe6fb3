// SPDX-License-Identifier: Apache-2.0
// The fused AdamW gives torch's bits, and the norm's partial sums add up exactly.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/cuda/device_array.h"

namespace afina::model::cuda {
namespace {

struct Settings {
  double rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0.01;
};

/// As finetune's AdamW rounds its scalars.
AdamWStep step_of(const Settings& s, int t) {
  AdamWStep step;
  step.decay = static_cast<float>(1.0 - s.rate * s.weight_decay);
  step.weight1 = static_cast<float>(1.0 - s.beta1);
  step.beta2 = static_cast<float>(s.beta2);
  step.weight2 = static_cast<float>(1.0 - s.beta2);
  step.root = static_cast<float>(std::sqrt(1.0 - std::pow(s.beta2, t)));
  step.epsilon = static_cast<float>(s.epsilon);
  step.minus_rate = static_cast<float>(-(s.rate / (1.0 - std::pow(s.beta1, t))));
  return step;
}

// Made with torch 2.11.0: AdamW([p], lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, foreach=False), three
// steps with gradients g, 2g, -g; p and g as below; the parameters' bits afterwards (numpy.float32.view(uint32)).
const std::vector<float> kStart = {0.5F, -1.25F, 3.0F, 1e-3F, -0.75F};
const std::vector<float> kGradient = {0.1F, -0.03F, 1e-5F, 2.0F, 0.0F};
const std::vector<uint32_t> kTorchBits = {0x3EFEC565U, 0xBF9FB09BU, 0x403FD779U, 0xBAB59200U, 0xBF3FFE86U};

TEST(AdamWKernel, ThreeStepsGiveTorchsBits) {
  const std::vector<float> zeros(kStart.size(), 0.0F);
  DeviceArray<float> p(kStart), m(zeros), v(zeros);
  const float factors[] = {1.0F, 2.0F, -1.0F};
  for (int t = 1; t <= 3; ++t) {
    std::vector<float> gradient = kGradient;
    for (float& g : gradient)
      g *= factors[t - 1];
    DeviceArray<float> g(gradient);
    adamw(p.data(), g.data(), m.data(), v.data(), static_cast<int64_t>(kStart.size()), step_of({}, t), nullptr);
  }
  const auto values = p.values();
  std::vector<uint32_t> bits(values.size());
  std::memcpy(bits.data(), values.data(), bits.size() * 4);
  EXPECT_EQ(bits, kTorchBits);
}

TEST(AdamWKernel, EveryElementOfALongBufferIsUpdatedOnceAndNoOther) {
  const int64_t n = 1000;
  const auto start = noise(n, 1), gradient = noise(n, 2);
  std::vector<float> m(start.size(), 0.1F), v(start.size(), 0.2F), want = start;
  const AdamWStep s = [] {
    AdamWStep step = step_of({}, 4);
    step.clip = 0.5F;
    return step;
  }();
  for (size_t i = 0; i < want.size(); ++i) {
    const float g = gradient[i] * s.clip, m1 = m[i] + s.weight1 * (g - m[i]);
    const float m2 = v[i] * s.beta2 + s.weight2 * g * g;
    want[i] = want[i] * s.decay + s.minus_rate * m1 / (std::sqrt(m2) / s.root + s.epsilon);
  }
  DeviceArray<float> p(start), g(gradient), m_(m), v_(v);
  adamw(p.data(), g.data(), m_.data(), v_.data(), n, s, nullptr);
  EXPECT_EQ(p.values(), want);
}

TEST(AdamWKernel, SquaresOfEveryBlockAreSummedInDoubles) {
  const int64_t n = 2 * kNormBlock + 77;
  const auto gradient = noise(n, 1);
  const auto got = in_every_order([&] {
    DeviceArray<float> g(gradient);
    DeviceArray<double> partial(static_cast<size_t>(norm_blocks(n)));
    sum_squares(g.data(), partial.data(), n, nullptr);
    return partial.values();
  });
  ASSERT_EQ(got.size(), 3U);
  for (int64_t b = 0; b < 3; ++b) {
    double want = 0;
    for (int64_t i = b * kNormBlock; i < std::min(n, (b + 1) * kNormBlock); ++i)
      want += static_cast<double>(gradient[static_cast<size_t>(i)]) * gradient[static_cast<size_t>(i)];
    EXPECT_NEAR(got[static_cast<size_t>(b)], want, 1e-12 * want);
  }
}

}  // namespace
}  // namespace afina::model::cuda
