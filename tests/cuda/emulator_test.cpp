// SPDX-License-Identifier: Apache-2.0
// The emulator is only worth something if it catches mistakes: kernels that are wrong on purpose.
#include <gtest/gtest.h>

#include <stdexcept>

#include "model/kernels/cuda/device.h"
#include "tests/cuda/device_array.h"

namespace afina::model::cuda {
namespace {

__device__ float leaky_block_sum(float value) {
  __shared__ float of_warp[kWarps];
  value = warp_sum(value);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  // The barrier that belongs here is missing.
  float sum = 0;
  for (int w = 0; w < kWarps; ++w)
    sum += of_warp[w];
  return sum;
}

__global__ void sum_kernel(const float* x, float* out) {
  const float sum = block_sum(x[blockIdx.x * kThreads + threadIdx.x]);
  out[blockIdx.x * kThreads + threadIdx.x] = sum;
}
__global__ void leaky_sum_kernel(const float* x, float* out) {
  const float sum = leaky_block_sum(x[blockIdx.x * kThreads + threadIdx.x]);
  out[blockIdx.x * kThreads + threadIdx.x] = sum;
}
__global__ void early_return_kernel() {
  if (threadIdx.x == 77) return;
  __syncthreads();
}
__global__ void half_shuffle_kernel(float* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1.0F, 1);
}
__global__ void two_barriers_kernel() {
  if (threadIdx.x < 128) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void write_one_beyond(float* out, int64_t n) {
  if (threadIdx.x <= n) out[threadIdx.x] = 0.0F;
}
__global__ void broadcast_kernel(float* out) {
  out[threadIdx.x] = __shfl_sync(kAllLanes, static_cast<float>(threadIdx.x), 5);
}

std::vector<float> sums(void (*kernel)(const float*, float*)) {
  std::vector<float> ones(2 * kThreads, 1.0F);
  DeviceArray<float> x(ones), out(ones.size());
  launch(kernel, 2, nullptr, x.data(), out.data());
  return out.values();
}

TEST(Emulator, ASumOverABlockReachesEveryThreadInEveryOrder) {
  const auto got = in_every_order([] { return sums(sum_kernel); });
  for (const float sum : got)
    ASSERT_EQ(sum, static_cast<float>(kThreads));
}

TEST(Emulator, AMissingBarrierShows) {
  const auto got = sums(leaky_sum_kernel);
  EXPECT_NE(got, std::vector<float>(2 * kThreads, static_cast<float>(kThreads)));
}

TEST(Emulator, AThreadThatEndsBeforeABarrierStopsTheLaunch) {
  EXPECT_THROW(launch(early_return_kernel, 1, nullptr), std::logic_error);
}

TEST(Emulator, AShuffleWithoutTheWholeWarpStopsTheLaunch) {
  DeviceArray<float> out(16);
  EXPECT_THROW(launch(half_shuffle_kernel, 1, nullptr, out.data()), std::logic_error);
}

TEST(Emulator, BarriersAtTwoPlacesDoNotMeet) {
  EXPECT_THROW(launch(two_barriers_kernel, 1, nullptr), std::logic_error);
}

TEST(Emulator, AShuffleReadsTheLaneItNames) {
  DeviceArray<float> out(kThreads);
  launch(broadcast_kernel, 1, nullptr, out.data());
  for (size_t i = 0; i < kThreads; ++i)
    ASSERT_EQ(out.values()[i], static_cast<float>(i / 32 * 32 + 5));
}

TEST(Emulator, AnIndexBeyondTheEndStopsTheProgram) {
  EXPECT_DEATH(
      {
        DeviceArray<float> out(32);
        launch(write_one_beyond, 1, nullptr, out.data(), int64_t{32});
      },
      "");
}

TEST(Emulator, AnEmptyGridIsNoLaunch) {
  launch(early_return_kernel, 0, nullptr);
}

}  // namespace
}  // namespace afina::model::cuda
