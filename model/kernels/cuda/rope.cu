// SPDX-License-Identifier: Apache-2.0
// Head norms and rotary positions of q and k, one warp a head.
#include "model/kernels/cuda/device.h"

namespace afina::model::cuda {
namespace {

struct Place {
  int64_t row, head;  ///< row < 0: nothing to do
  int lane;
};

template <typename T>
__device__ __forceinline__ Place place_of(const Heads<T>& h) {
  const int64_t warp = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  const int64_t all = h.heads + h.kv_heads;
  return {warp < h.n * all ? warp / all : -1, warp % all, static_cast<int>(threadIdx.x % kWarp)};
}

template <typename T>
__device__ __forceinline__ const float* norm_of(const Heads<T>& h, int64_t head) {
  return head < h.heads ? h.q_norm : h.k_norm;
}

template <typename T>
__global__ void place(Heads<T> h, float eps, T* raw, int64_t raw_stride, float* rstd) {
  const Place at = place_of(h);
  if (at.row < 0) return;
  T* x = h.qk + at.row * h.stride + at.head * h.head_dim;
  const float* weight = norm_of(h, at.head);
  float r = 1.0F;
  if (weight != nullptr) {
    T* kept = raw == nullptr ? nullptr : raw + at.row * raw_stride + at.head * h.head_dim;
    float squares = 0;
    for (int64_t i = at.lane; i < h.head_dim; i += kWarp) {
      const float value = to_float(x[i]);
      squares += value * value;
      if (kept != nullptr) kept[i] = x[i];
    }
    r = 1.0F / sqrtf(warp_sum(squares) / static_cast<float>(h.head_dim) + eps);
    if (rstd != nullptr && at.lane == 0) rstd[at.row * (h.heads + h.kv_heads) + at.head] = r;
  }
  const int64_t half = h.head_dim / 2, table = h.cosines == nullptr ? 0 : h.positions[at.row] * half;
  for (int64_t i = at.lane; i < half; i += kWarp) {
    float a = to_float(x[i]), b = to_float(x[half + i]);
    if (weight != nullptr) {
      a = a * r * weight[i];
      b = b * r * weight[half + i];
    }
    const float c = h.cosines == nullptr ? 1.0F : h.cosines[table + i];
    const float s = h.cosines == nullptr ? 0.0F : h.sines[table + i];
    x[i] = from_float<T>(a * c - b * s);
    x[half + i] = from_float<T>(b * c + a * s);
  }
}

/// The gradient of a placed head before its rotation, elements i and half + i.
template <typename T>
__device__ __forceinline__ void unrotate(const Heads<T>& h, const T* d, int64_t table, int64_t half, int64_t i,
                                         float& a, float& b) {
  const float c = h.cosines == nullptr ? 1.0F : h.cosines[table + i];
  const float s = h.cosines == nullptr ? 0.0F : h.sines[table + i];
  const float da = to_float(d[i]), db = to_float(d[half + i]);
  a = da * c + db * s;
  b = db * c - da * s;
}

template <typename T>
__global__ void unplace(Heads<T> h, const T* raw, int64_t raw_stride, const float* rstd) {
  const Place at = place_of(h);
  if (at.row < 0) return;
  T* d = h.qk + at.row * h.stride + at.head * h.head_dim;
  const float* weight = norm_of(h, at.head);
  const int64_t half = h.head_dim / 2, table = h.cosines == nullptr ? 0 : h.positions[at.row] * half;
  const T* x = weight == nullptr ? nullptr : raw + at.row * raw_stride + at.head * h.head_dim;
  float f = 0, r = 1;
  if (weight != nullptr) {
    float sum = 0;
    for (int64_t i = at.lane; i < half; i += kWarp) {
      float a, b;
      unrotate(h, d, table, half, i, a, b);
      sum += a * weight[i] * to_float(x[i]) + b * weight[half + i] * to_float(x[half + i]);
    }
    r = rstd[at.row * (h.heads + h.kv_heads) + at.head];
    f = warp_sum(sum) / static_cast<float>(h.head_dim) * r * r;
  }
  for (int64_t i = at.lane; i < half; i += kWarp) {
    float a, b;
    unrotate(h, d, table, half, i, a, b);
    if (weight != nullptr) {
      a = (a * weight[i] - to_float(x[i]) * f) * r;
      b = (b * weight[half + i] - to_float(x[half + i]) * f) * r;
    }
    d[i] = from_float<T>(a);
    d[half + i] = from_float<T>(b);
  }
}

}  // namespace

template <typename T>
void place_heads(const Heads<T>& heads, float eps, T* raw, int64_t raw_stride, float* rstd, Stream stream) {
  if (heads.cosines == nullptr && heads.q_norm == nullptr) return;
  launch(place<T>, blocks_for_warps(heads.n * (heads.heads + heads.kv_heads)), stream, heads, eps, raw, raw_stride,
         rstd);
}

template <typename T>
void unplace_heads(const Heads<T>& heads, const T* raw, int64_t raw_stride, const float* rstd, Stream stream) {
  if (heads.cosines == nullptr && heads.q_norm == nullptr) return;
  launch(unplace<T>, blocks_for_warps(heads.n * (heads.heads + heads.kv_heads)), stream, heads, raw, raw_stride, rstd);
}

template void place_heads(const Heads<float>&, float, float*, int64_t, float*, Stream);
template void place_heads(const Heads<Bf16>&, float, Bf16*, int64_t, float*, Stream);
template void unplace_heads(const Heads<float>&, const float*, int64_t, const float*, Stream);
template void unplace_heads(const Heads<Bf16>&, const Bf16*, int64_t, const float*, Stream);

}  // namespace afina::model::cuda
