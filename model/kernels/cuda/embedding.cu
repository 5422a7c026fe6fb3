// SPDX-License-Identifier: Apache-2.0
// Rows of the embedding, and the random numbers that are functions of a counter: NEFTune's noise, dropout's masks.
#include "model/kernels/cuda/device.h"

namespace afina::model::cuda {
namespace {

/// splitmix64 (Steele, Lea, Flood 2014) over the element's index, as lora/dropout.cpp.
__device__ __forceinline__ uint64_t mix(uint64_t z) {
  z += 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

/// 24 random bits.
__device__ __forceinline__ uint32_t element_bits(uint64_t key, uint64_t index) {
  return static_cast<uint32_t>(mix(key ^ mix(index)) >> 40);
}

__device__ __forceinline__ int64_t item() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

template <typename T, int V>
__global__ void gather(const T* table, const int* tokens, T* out, int64_t width) {
  const T* from = table + tokens[blockIdx.x] * width;
  T* to = out + blockIdx.x * width;
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * V; j < width; j += kThreads * V)
    *reinterpret_cast<Pack<T, V>*>(to + j) = *reinterpret_cast<const Pack<T, V>*>(from + j);
}

template <typename T>
__global__ void noise(T* x, const float* scale, uint64_t key, int64_t n, int64_t width) {
  const int64_t i = item();
  if (i >= n * width) return;
  const float u = static_cast<float>(element_bits(key, static_cast<uint64_t>(i))) * (1.0F / 16777216.0F);
  x[i] = from_float<T>(__fadd_rn(to_float(x[i]), __fmul_rn(scale[i / width], 2.0F * u - 1.0F)));
}

template <typename T>
__global__ void drop(const T* in, T* out, uint32_t threshold, float keep_scale, uint64_t key, int64_t n) {
  const int64_t i = item();
  if (i >= n) return;
  const bool kept = element_bits(key, static_cast<uint64_t>(i)) >= threshold;
  out[i] = from_float<T>(kept ? to_float(in[i]) * keep_scale : 0.0F);
}

}  // namespace

template <typename T>
void gather_rows(const T* table, const int* tokens, T* out, int64_t n, int64_t width, Stream stream) {
  with_width<T>(width % kWide<T> == 0 && aligned(table) && aligned(out),
                [&](auto v) { launch(gather<T, v.value>, n, stream, table, tokens, out, width); });
}

template <typename T>
void add_noise(T* x, const float* scale, uint64_t key, int64_t n, int64_t width, Stream stream) {
  launch(noise<T>, blocks_for(n * width), stream, x, scale, key, n, width);
}

template <typename T>
void dropout(const T* in, T* out, double p, uint64_t key, int64_t n, Stream stream) {
  launch(drop<T>, blocks_for(n), stream, in, out, static_cast<uint32_t>(p * 16777216.0),
         static_cast<float>(1.0 / (1.0 - p)), key, n);
}

template void gather_rows(const float*, const int*, float*, int64_t, int64_t, Stream);
template void gather_rows(const Bf16*, const int*, Bf16*, int64_t, int64_t, Stream);
template void add_noise(float*, const float*, uint64_t, int64_t, int64_t, Stream);
template void add_noise(Bf16*, const float*, uint64_t, int64_t, int64_t, Stream);
template void dropout(const float*, float*, double, uint64_t, int64_t, Stream);
template void dropout(const Bf16*, Bf16*, double, uint64_t, int64_t, Stream);

}  // namespace afina::model::cuda
