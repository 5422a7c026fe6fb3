// SPDX-License-Identifier: Apache-2.0
// What the .cu files share: launching, 16-byte packs of elements, sums over a warp and a block. Compiled by nvcc, or by
// g++ against tests/cuda/emulator.h, which runs the same text on the CPU (AFINA_CUDA_EMULATED).
#pragma once
#include <cstdint>

#include "model/kernels/cuda/kernels.h"

#if defined(AFINA_CUDA_EMULATED)
#include "tests/cuda/emulator.h"
#else
#include <cuda_runtime.h>
#endif

namespace afina::model::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kWarp = 32;
constexpr int kWarps = kThreads / kWarp;
constexpr unsigned kAllLanes = 0xFFFFFFFFU;

/// One-dimensional grid of kThreads threads a block; an empty grid is no launch.
template <typename... P, typename... A>
void launch(void (*kernel)(P...), int64_t blocks, Stream stream, const A&... arguments) {
  if (blocks <= 0) return;
#if defined(AFINA_CUDA_EMULATED)
  (void)stream;
  emulator::machine().run(static_cast<unsigned>(blocks), kThreads, [&] { kernel(static_cast<P>(arguments)...); });
#else
  kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(static_cast<P>(arguments)...);
  if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) launch_failed(static_cast<int>(error));
#endif
}

[[maybe_unused]] constexpr int64_t blocks_for(int64_t items) {
  return (items + kThreads - 1) / kThreads;
}
[[maybe_unused]] constexpr int64_t blocks_for_warps(int64_t warps) {
  return (warps + kWarps - 1) / kWarps;
}

// --- elements ------------------------------------------------------------------------------------------------------

[[maybe_unused]] __device__ __forceinline__ float to_float(float x) {
  return x;
}
[[maybe_unused]] __device__ __forceinline__ float to_float(Bf16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}
template <typename T>
__device__ T from_float(float x);
template <>
[[maybe_unused]] __device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
[[maybe_unused]] __device__ __forceinline__ Bf16 from_float<Bf16>(float x) {
#if defined(AFINA_CUDA_EMULATED)
  return Bf16{emulator::bfloat16_bits(x)};
#else
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return Bf16{bits};
#endif
}

/// Elements that one instruction moves: 16 bytes, or one element where rows are not aligned for that.
template <typename T>
inline constexpr int kWide = 16 / static_cast<int>(sizeof(T));

template <typename T, int V>
struct alignas(sizeof(T) * V) Pack {
  T value[V];
};

template <int V, typename T>
__device__ __forceinline__ void load(const T* from, float (&out)[V]) {
  const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(from);
#pragma unroll
  for (int i = 0; i < V; ++i)
    out[i] = to_float(pack.value[i]);
}
template <int V, typename T>
__device__ __forceinline__ void store(T* to, const float (&in)[V]) {
  Pack<T, V> pack;
#pragma unroll
  for (int i = 0; i < V; ++i)
    pack.value[i] = from_float<T>(in[i]);
  *reinterpret_cast<Pack<T, V>*>(to) = pack;
}

template <typename T>
bool aligned(const T* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0;
}

template <int V>
struct Width {
  static constexpr int value = V;
};

/// Calls f with Width<kWide<T>> where every row can be moved 16 bytes at a time, else with Width<1>.
template <typename T, typename F>
void with_width(bool wide, F f) {
  if (wide) {
    f(Width<kWide<T>>{});
  } else {
    f(Width<1>{});
  }
}

// --- sums ----------------------------------------------------------------------------------------------------------

template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2)
    value += __shfl_xor_sync(kAllLanes, value, mask);
  return value;
}

/// The sum over the block, in every thread. A barrier stands at its begin, so it may follow itself.
[[maybe_unused]] __device__ inline float block_sum(float value) {
  __shared__ float of_warp[kWarps];
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w)
    sum += of_warp[w];
  return sum;
}

[[maybe_unused]] __device__ inline double block_sum(double value) {
  __shared__ double of_warp[kWarps];
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  double sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w)
    sum += of_warp[w];
  return sum;
}

}  // namespace
}  // namespace afina::model::cuda
