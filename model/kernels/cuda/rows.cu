// SPDX-License-Identifier: Apache-2.0
// Element-wise work on rows: biases, scaling, conversion, copies of K/V rows, sums over a group's heads.
#include "model/kernels/cuda/device.h"

namespace afina::model::cuda {
namespace {

__device__ __forceinline__ int64_t item() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}

template <typename T>
__global__ void bias_kernel(T* y, int64_t stride, const float* bias, int64_t n, int64_t width) {
  const int64_t i = item(), row = i / width, column = i % width;
  if (row >= n) return;
  T& at = y[row * stride + column];
  at = from_float<T>(to_float(at) + bias[column]);
}

template <typename T, int V>
__global__ void axpy_kernel(T* y, const T* x, float f, int64_t n) {
  const int64_t i = item() * V;
  if (i >= n) return;
  float to[V], from[V];
  load(y + i, to);
  load(x + i, from);
#pragma unroll
  for (int k = 0; k < V; ++k)
    to[k] += f * from[k];
  store(y + i, to);
}

template <typename T>
__global__ void scale_kernel(T* y, const float* row_factor, float f, int64_t n, int64_t width) {
  const int64_t i = item();
  if (i >= n * width) return;
  y[i] = from_float<T>(to_float(y[i]) * (row_factor == nullptr ? f : f * row_factor[i / width]));
}

template <typename T>
__global__ void copy_kernel(const T* in, int64_t in_stride, const int* rows, T* out, int64_t out_stride, int64_t n,
                            int64_t width) {
  const int64_t i = item(), row = i / width, column = i % width;
  if (row < n) out[row * out_stride + column] = in[rows[row] * in_stride + column];
}

template <typename T>
__global__ void add_kernel(const T* in, int64_t in_stride, const int* from, const int* rows, T* out, int64_t out_stride,
                           int64_t n, int64_t width) {
  const int64_t i = item(), row = i / width, column = i % width;
  if (row >= n) return;
  T& at = out[rows[row] * out_stride + column];
  at = from_float<T>(to_float(at) + to_float(in[from[row] * in_stride + column]));
}

template <typename T>
__global__ void groups_kernel(const T* in, int64_t in_stride, T* out, int64_t out_stride, int64_t n, int64_t groups,
                              int64_t share, int64_t head_dim) {
  const int64_t i = item(), width = groups * head_dim, row = i / width, column = i % width;
  if (row >= n) return;
  const T* head = in + row * in_stride + column / head_dim * share * head_dim + column % head_dim;
  float sum = 0;
  for (int64_t h = 0; h < share; ++h)
    sum += to_float(head[h * head_dim]);
  out[row * out_stride + column] = from_float<T>(sum);
}

template <typename From, typename To>
__global__ void convert_kernel(const From* in, To* out, int64_t n) {
  const int64_t i = item();
  if (i < n) out[i] = from_float<To>(to_float(in[i]));
}

}  // namespace

template <typename T>
void add_bias(T* y, int64_t stride, const float* bias, int64_t n, int64_t width, Stream stream) {
  launch(bias_kernel<T>, blocks_for(n * width), stream, y, stride, bias, n, width);
}
template <typename T>
void axpy(T* y, const T* x, float f, int64_t n, Stream stream) {
  with_width<T>(n % kWide<T> == 0 && aligned(y) && aligned(x),
                [&](auto v) { launch(axpy_kernel<T, v.value>, blocks_for(n / v.value), stream, y, x, f, n); });
}
template <typename T>
void scale_rows(T* y, const float* row_factor, float f, int64_t n, int64_t width, Stream stream) {
  launch(scale_kernel<T>, blocks_for(n * width), stream, y, row_factor, f, n, width);
}
template <typename T>
void copy_rows(const T* in, int64_t in_stride, const int* rows, T* out, int64_t out_stride, int64_t n, int64_t width,
               Stream stream) {
  launch(copy_kernel<T>, blocks_for(n * width), stream, in, in_stride, rows, out, out_stride, n, width);
}
template <typename T>
void add_to_rows(const T* in, int64_t in_stride, const int* from, const int* rows, T* out, int64_t out_stride,
                 int64_t n, int64_t width, Stream stream) {
  launch(add_kernel<T>, blocks_for(n * width), stream, in, in_stride, from, rows, out, out_stride, n, width);
}
template <typename T>
void sum_groups(const T* in, int64_t in_stride, T* out, int64_t out_stride, int64_t n, int64_t groups, int64_t share,
                int64_t head_dim, Stream stream) {
  launch(groups_kernel<T>, blocks_for(n * groups * head_dim), stream, in, in_stride, out, out_stride, n, groups, share,
         head_dim);
}
void to_bf16(const float* in, Bf16* out, int64_t n, Stream stream) {
  launch(convert_kernel<float, Bf16>, blocks_for(n), stream, in, out, n);
}
void to_float(const Bf16* in, float* out, int64_t n, Stream stream) {
  launch(convert_kernel<Bf16, float>, blocks_for(n), stream, in, out, n);
}

#define AFINA_FOR(T)                                                                                           \
  template void add_bias(T*, int64_t, const float*, int64_t, int64_t, Stream);                                 \
  template void axpy(T*, const T*, float, int64_t, Stream);                                                    \
  template void scale_rows(T*, const float*, float, int64_t, int64_t, Stream);                                 \
  template void copy_rows(const T*, int64_t, const int*, T*, int64_t, int64_t, int64_t, Stream);               \
  template void add_to_rows(const T*, int64_t, const int*, const int*, T*, int64_t, int64_t, int64_t, Stream); \
  template void sum_groups(const T*, int64_t, T*, int64_t, int64_t, int64_t, int64_t, int64_t, Stream);
AFINA_FOR(float)
AFINA_FOR(Bf16)
#undef AFINA_FOR

}  // namespace afina::model::cuda
