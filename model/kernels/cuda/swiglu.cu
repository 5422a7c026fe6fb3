// SPDX-License-Identifier: Apache-2.0
// SwiGLU, one pack of elements a thread.
#include "model/kernels/cuda/device.h"

namespace afina::model::cuda {
namespace {

__device__ __forceinline__ float sigmoid(float x) {
  return 1.0F / (1.0F + expf(-x));
}

/// Row and column of this thread's pack; row = n where there is none.
template <int V>
struct Cell {
  int64_t row, column;
  __device__ Cell(int64_t n, int64_t width) {
    const int64_t item = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, packs = width / V;
    row = item / packs < n ? item / packs : n;
    column = item % packs * V;
  }
};

template <typename T, int V>
__global__ void forward(const T* gate_up, int64_t gate_up_stride, T* h, int64_t h_stride, int64_t n, int64_t width) {
  const Cell<V> at(n, width);
  if (at.row == n) return;
  float gate[V], up[V];
  const T* from = gate_up + at.row * gate_up_stride + at.column;
  load(from, gate);
  load(from + width, up);
#pragma unroll
  for (int i = 0; i < V; ++i)
    gate[i] = gate[i] * sigmoid(gate[i]) * up[i];
  store(h + at.row * h_stride + at.column, gate);
}

template <typename T, int V>
__global__ void backward(T* gate_up, int64_t gate_up_stride, const T* dh, int64_t dh_stride, T* h, int64_t h_stride,
                         int64_t n, int64_t width) {
  const Cell<V> at(n, width);
  if (at.row == n) return;
  float gate[V], up[V], d[V], product[V];
  T* place = gate_up + at.row * gate_up_stride + at.column;
  load(place, gate);
  load(place + width, up);
  load(dh + at.row * dh_stride + at.column, d);
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const float g = gate[i], u = up[i], s = sigmoid(g), silu = g * s;
    gate[i] = d[i] * u * s * (1.0F + g * (1.0F - s));
    up[i] = d[i] * silu;
    product[i] = silu * u;
  }
  store(place, gate);
  store(place + width, up);
  if (h != nullptr) store(h + at.row * h_stride + at.column, product);
}

template <typename T>
bool wide(const T* gate_up, int64_t gate_up_stride, const T* h, int64_t h_stride, int64_t width) {
  constexpr int64_t v = kWide<T>;
  return width % v == 0 && gate_up_stride % v == 0 && h_stride % v == 0 && aligned(gate_up) && aligned(h);
}

}  // namespace

template <typename T>
void swiglu_forward(const T* gate_up, int64_t gate_up_stride, T* h, int64_t h_stride, int64_t n, int64_t width,
                    Stream stream) {
  with_width<T>(wide(gate_up, gate_up_stride, h, h_stride, width), [&](auto v) {
    launch(forward<T, v.value>, blocks_for(n * (width / v.value)), stream, gate_up, gate_up_stride, h, h_stride, n,
           width);
  });
}

template <typename T>
void swiglu_backward(T* gate_up, int64_t gate_up_stride, const T* dh, int64_t dh_stride, T* h, int64_t h_stride,
                     int64_t n, int64_t width, Stream stream) {
  const bool both = wide<T>(gate_up, gate_up_stride, dh, dh_stride, width) &&
                    (h == nullptr || wide<T>(gate_up, gate_up_stride, h, h_stride, width));
  with_width<T>(both, [&](auto v) {
    launch(backward<T, v.value>, blocks_for(n * (width / v.value)), stream, gate_up, gate_up_stride, dh, dh_stride, h,
           h_stride, n, width);
  });
}

template void swiglu_forward(const float*, int64_t, float*, int64_t, int64_t, int64_t, Stream);
template void swiglu_forward(const Bf16*, int64_t, Bf16*, int64_t, int64_t, int64_t, Stream);
template void swiglu_backward(float*, int64_t, const float*, int64_t, float*, int64_t, int64_t, int64_t, Stream);
template void swiglu_backward(Bf16*, int64_t, const Bf16*, int64_t, Bf16*, int64_t, int64_t, int64_t, Stream);

}  // namespace afina::model::cuda
