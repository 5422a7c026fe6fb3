// SPDX-License-Identifier: Apache-2.0
// Random numbers that are functions of a counter: the GPU draws what the CPU draws, so a mask need not be stored.
#include <gtest/gtest.h>

#include "model/counter_random.h"
#include "tests/cuda/device_array.h"

namespace afina::model::cuda {
namespace {

template <typename T>
class CounterKernels : public ::testing::Test {};
using Types = ::testing::Types<float, Bf16>;
TYPED_TEST_SUITE(CounterKernels, Types);

TYPED_TEST(CounterKernels, NeftuneNoiseIsTheCounterFunctionOfTheCpu) {
  using T = TypeParam;
  const int64_t n = 3, width = 11;
  const auto x = rounded<T>(noise(n * width, 1));
  const std::vector<float> scale = {0.1F, 0.0F, 0.3F};
  const uint64_t key = counter_stream({.enabled = true, .seed = 5, .step = 7, .micro_batch = 2}, kNoisePlace);
  DeviceArray<T> out(x);
  DeviceArray<float> scales(scale);
  add_noise(out.data(), scales.data(), key, n, width, nullptr);
  std::vector<float> want = x;
  for (size_t i = 0; i < want.size(); ++i)
    want[i] += scale[i / width] * counter_symmetric(key, i);
  expect_near(out.values(), rounded<T>(want), 0, "noise");
}

TYPED_TEST(CounterKernels, DropoutMasksAreTheCounterFunctionOfTheCpu) {
  using T = TypeParam;
  const double p = 0.25;
  const auto x = rounded<T>(noise(1000, 1));
  DeviceArray<T> in(x), out(x.size());
  dropout(in.data(), out.data(), p, 99, static_cast<int64_t>(x.size()), nullptr);
  std::vector<float> want = x;
  int dropped = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const bool kept = counter_bits(99, i) >= static_cast<uint32_t>(p * 16777216.0);
    want[i] = kept ? x[i] * static_cast<float>(1.0 / (1.0 - p)) : 0.0F;
    dropped += kept ? 0 : 1;
  }
  EXPECT_NEAR(dropped, 250, 50);
  expect_near(out.values(), rounded<T>(want), 0, "dropout");
}

}  // namespace
}  // namespace afina::model::cuda
