// SPDX-License-Identifier: Apache-2.0
// RMSNorm, one block a row.
#include "model/kernels/cuda/device.h"

namespace afina::model::cuda {
namespace {

template <typename T>
__device__ __forceinline__ int64_t row_of(const RmsNorm<T>& norm) {
  return norm.rows == nullptr ? static_cast<int64_t>(blockIdx.x) : norm.rows[blockIdx.x];
}

template <typename T, int V>
__device__ __forceinline__ void write_normed(const T* x, const float* weight, float rstd, T* y, int64_t width) {
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * V; j < width; j += kThreads * V) {
    float value[V], factor[V];
    load(x + j, value);
    load(weight + j, factor);
#pragma unroll
    for (int i = 0; i < V; ++i)
      value[i] = value[i] * rstd * factor[i];
    store(y + j, value);
  }
}

template <typename T, int V>
__global__ void forward(RmsNorm<T> norm, float eps, T* y, int64_t y_stride, float* rstd) {
  const T* x = norm.x + row_of(norm) * norm.x_stride;
  float squares = 0;
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * V; j < norm.width; j += kThreads * V) {
    float value[V];
    load(x + j, value);
#pragma unroll
    for (int i = 0; i < V; ++i)
      squares += value[i] * value[i];
  }
  const float r = 1.0F / sqrtf(block_sum(squares) / static_cast<float>(norm.width) + eps);
  if (threadIdx.x == 0) rstd[blockIdx.x] = r;
  write_normed<T, V>(x, norm.weight, r, y + blockIdx.x * y_stride, norm.width);
}

template <typename T, int V>
__global__ void apply(RmsNorm<T> norm, const float* rstd, T* y, int64_t y_stride) {
  write_normed<T, V>(norm.x + row_of(norm) * norm.x_stride, norm.weight, rstd[blockIdx.x], y + blockIdx.x * y_stride,
                     norm.width);
}

template <typename T, int V>
__global__ void backward(RmsNorm<T> norm, const float* rstd, const T* dy, int64_t dy_stride, T* dx, int64_t dx_stride) {
  const int64_t row = row_of(norm);
  const T* x = norm.x + row * norm.x_stride;
  dy += blockIdx.x * dy_stride;
  dx += row * dx_stride;
  float sum = 0;
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * V; j < norm.width; j += kThreads * V) {
    float value[V], gradient[V], factor[V];
    load(x + j, value);
    load(dy + j, gradient);
    load(norm.weight + j, factor);
#pragma unroll
    for (int i = 0; i < V; ++i)
      sum += gradient[i] * factor[i] * value[i];
  }
  const float r = rstd[blockIdx.x];
  const float f = block_sum(sum) / static_cast<float>(norm.width) * r * r;
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * V; j < norm.width; j += kThreads * V) {
    float value[V], gradient[V], factor[V], out[V];
    load(x + j, value);
    load(dy + j, gradient);
    load(norm.weight + j, factor);
    load(dx + j, out);
#pragma unroll
    for (int i = 0; i < V; ++i)
      out[i] += (gradient[i] * factor[i] - value[i] * f) * r;
    store(dx + j, out);
  }
}

/// The weight is fp32, so its packs are at most 16 bytes only where T's hold 4 elements; two loads serve 8.
template <typename T>
bool wide(const RmsNorm<T>& norm, const T* y, int64_t y_stride) {
  constexpr int64_t v = kWide<T>;
  return norm.width % v == 0 && norm.x_stride % v == 0 && y_stride % v == 0 && aligned(norm.x) && aligned(y) &&
         reinterpret_cast<uintptr_t>(norm.weight) % (v * sizeof(float)) == 0;
}

}  // namespace

template <typename T>
void rms_forward(const RmsNorm<T>& norm, float eps, T* y, int64_t y_stride, float* rstd, Stream stream) {
  with_width<T>(wide(norm, y, y_stride),
                [&](auto width) { launch(forward<T, width.value>, norm.n, stream, norm, eps, y, y_stride, rstd); });
}

template <typename T>
void rms_apply(const RmsNorm<T>& norm, const float* rstd, T* y, int64_t y_stride, Stream stream) {
  with_width<T>(wide(norm, y, y_stride),
                [&](auto width) { launch(apply<T, width.value>, norm.n, stream, norm, rstd, y, y_stride); });
}

template <typename T>
void rms_backward(const RmsNorm<T>& norm, const float* rstd, const T* dy, int64_t dy_stride, T* dx, int64_t dx_stride,
                  Stream stream) {
  const bool both = wide(norm, dy, dy_stride) && dx_stride % kWide<T> == 0 && aligned(dx);
  with_width<T>(both, [&](auto width) {
    launch(backward<T, width.value>, norm.n, stream, norm, rstd, dy, dy_stride, dx, dx_stride);
  });
}

template void rms_forward(const RmsNorm<float>&, float, float*, int64_t, float*, Stream);
template void rms_forward(const RmsNorm<Bf16>&, float, Bf16*, int64_t, float*, Stream);
template void rms_apply(const RmsNorm<float>&, const float*, float*, int64_t, Stream);
template void rms_apply(const RmsNorm<Bf16>&, const float*, Bf16*, int64_t, Stream);
template void rms_backward(const RmsNorm<float>&, const float*, const float*, int64_t, float*, int64_t, Stream);
template void rms_backward(const RmsNorm<Bf16>&, const float*, const Bf16*, int64_t, Bf16*, int64_t, Stream);

}  // namespace afina::model::cuda
