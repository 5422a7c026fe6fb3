// SPDX-License-Identifier: Apache-2.0
// The loss head's row passes, one block a row: maximum and sums in one reading (online softmax, arXiv:1805.02867), the
// targets' values, and the gradient over the logits in place.
#include "model/kernels/cuda/device.h"

namespace afina::model::cuda {
namespace {

constexpr float kInfinity = __builtin_huge_valf();

/// Of the part of a row seen so far, relative to its maximum: -inf and zero sums where nothing was.
struct Sums {
  float top;
  int argmax;
  double sum, weighted, squares;  ///< Σe^(z-top), Σe^(z-top)(z-top), Σe^2(z-top)
};

__device__ __forceinline__ Sums nothing() {
  return {-kInfinity, 0x7FFFFFFF, 0.0, 0.0, 0.0};
}

/// The sums relative to a new maximum.
__device__ __forceinline__ void raise(Sums& s, float top) {
  if (s.sum > 0.0) {
    const double step = static_cast<double>(s.top) - static_cast<double>(top), factor = exp(step);
    s.weighted = factor * (s.weighted + step * s.sum);
    s.sum *= factor;
    s.squares *= factor * factor;
  }
  s.top = top;
}

__device__ __forceinline__ void merge(Sums& a, Sums b) {
  const float top = a.top > b.top ? a.top : b.top;
  const int argmax =
      a.top == b.top ? (a.argmax < b.argmax ? a.argmax : b.argmax) : (a.top > b.top ? a.argmax : b.argmax);
  raise(a, top);
  raise(b, top);
  a.argmax = argmax;
  a.sum += b.sum;
  a.weighted += b.weighted;
  a.squares += b.squares;
}

__device__ __forceinline__ Sums of_warp(Sums s) {
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    Sums other;
    other.top = __shfl_xor_sync(kAllLanes, s.top, mask);
    other.argmax = __shfl_xor_sync(kAllLanes, s.argmax, mask);
    other.sum = __shfl_xor_sync(kAllLanes, s.sum, mask);
    other.weighted = __shfl_xor_sync(kAllLanes, s.weighted, mask);
    other.squares = __shfl_xor_sync(kAllLanes, s.squares, mask);
    // Both partners must add in the same order to hold the same bits.
    if ((threadIdx.x & static_cast<unsigned>(mask)) == 0) {
      merge(s, other);
    } else {
      merge(other, s);
      s = other;
    }
  }
  return s;
}

__device__ inline Sums of_block(Sums s) {
  __shared__ float top[kWarps];
  __shared__ int argmax[kWarps];
  __shared__ double sum[kWarps], weighted[kWarps], squares[kWarps];
  s = of_warp(s);
  const unsigned warp = threadIdx.x / kWarp;
  if (threadIdx.x % kWarp == 0) {
    top[warp] = s.top;
    argmax[warp] = s.argmax;
    sum[warp] = s.sum;
    weighted[warp] = s.weighted;
    squares[warp] = s.squares;
  }
  __syncthreads();
  s = {top[0], argmax[0], sum[0], weighted[0], squares[0]};
  for (int w = 1; w < kWarps; ++w)
    merge(s, {top[w], argmax[w], sum[w], weighted[w], squares[w]});
  return s;
}

template <typename T, int V>
__device__ __forceinline__ Sums of_row(const T* z, int64_t vocabulary) {
  Sums s = nothing();
  for (int64_t j = static_cast<int64_t>(threadIdx.x) * V; j < vocabulary; j += kThreads * V) {
    float value[V];
    load(z + j, value);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      if (value[i] == -kInfinity) continue;  // adds nothing, and 0 * -inf would
      if (value[i] > s.top) {
        raise(s, value[i]);
        s.argmax = static_cast<int>(j) + i;
      }
      const float shifted = value[i] - s.top, e = expf(shifted);
      s.sum += static_cast<double>(e);
      s.weighted += e > 0.0F ? static_cast<double>(e * shifted) : static_cast<double>(e);
      s.squares += static_cast<double>(e * e);
    }
  }
  return s;
}

template <typename T>
__device__ __forceinline__ void write_stats(const LossChunk<T>& chunk, const LossStats& stats, const T* z,
                                            const Sums& s) {
  const double log_sum = log(s.sum);
  const int end = chunk.first_target[blockIdx.x + 1];
  for (int t = chunk.first_target[blockIdx.x] + static_cast<int>(threadIdx.x); t < end; t += kThreads) {
    const int token = chunk.tokens[t];
    stats.logp[t] = static_cast<double>(to_float(z[token])) - static_cast<double>(s.top) - log_sum;
    if (stats.correct != nullptr) stats.correct[t] = token == s.argmax ? 1 : 0;
    if (stats.entropy != nullptr) stats.entropy[t] = log_sum - s.weighted / s.sum;
    if (stats.log_sum_p2 != nullptr) stats.log_sum_p2[t] = log(s.squares) - 2.0 * log_sum;
  }
  if (stats.inverse_sum != nullptr && threadIdx.x == 0) stats.inverse_sum[blockIdx.x] = static_cast<float>(1.0 / s.sum);
}

template <typename T, int V>
__global__ void loss(LossChunk<T> chunk, LossStats stats) {
  T* z = chunk.logits + blockIdx.x * chunk.stride;
  const Sums s = of_block(of_row<T, V>(z, chunk.vocabulary));
  write_stats(chunk, stats, z, s);
  if (chunk.out == LogitsOut::keep) return;
  __syncthreads();  // every target was read before its logit is overwritten
  const float factor = chunk.out == LogitsOut::exp ? 1.0F : static_cast<float>(1.0 / s.sum);
  const int64_t hot = chunk.out == LogitsOut::softmax_minus_onehot ? chunk.tokens[chunk.first_target[blockIdx.x]] : -1;
  // Downwards: the end of the row was read last and is likeliest to lie in L2 still.
  const int64_t step = kThreads * V, rounds = (chunk.vocabulary + step - 1) / step;
  for (int64_t round = rounds - 1; round >= 0; --round) {
    const int64_t j = round * step + static_cast<int64_t>(threadIdx.x) * V;
    if (j >= chunk.vocabulary) continue;
    float value[V];
    load(z + j, value);
#pragma unroll
    for (int i = 0; i < V; ++i)
      value[i] = expf(value[i] - s.top) * factor - (j + i == hot ? 1.0F : 0.0F);
    store(z + j, value);
  }
}

template <typename T>
__global__ void head(const int* first_target, const double* dloss_dlogp, const T* w, const T* kept, T* d,
                     int64_t width) {
  const int64_t begin = first_target[blockIdx.x], end = first_target[blockIdx.x + 1];
  double total = 0;
  for (int64_t t = begin; t < end; ++t)
    total += dloss_dlogp[t];
  const int64_t row = blockIdx.x * width;
  for (int64_t j = threadIdx.x; j < width; j += kThreads) {
    float sum = 0;
    for (int64_t t = begin; t < end; ++t)
      sum += static_cast<float>(dloss_dlogp[t]) * to_float(w[(t - first_target[0]) * width + j]);
    d[row + j] = from_float<T>(sum - static_cast<float>(total) * to_float(kept[row + j]));
  }
}

}  // namespace

template <typename T>
void chunk_loss(const LossChunk<T>& chunk, const LossStats& stats, Stream stream) {
  const bool wide = chunk.vocabulary % kWide<T> == 0 && chunk.stride % kWide<T> == 0 && aligned(chunk.logits);
  with_width<T>(wide, [&](auto v) { launch(loss<T, v.value>, chunk.n, stream, chunk, stats); });
}

template <typename T>
void head_gradient(const int* first_target, const double* dloss_dlogp, const T* w, const T* kept, T* d, int64_t n,
                   int64_t width, Stream stream) {
  launch(head<T>, n, stream, first_target, dloss_dlogp, w, kept, d, width);
}

template void chunk_loss(const LossChunk<float>&, const LossStats&, Stream);
template void chunk_loss(const LossChunk<Bf16>&, const LossStats&, Stream);
template void head_gradient(const int*, const double*, const float*, const float*, float*, int64_t, int64_t, Stream);
template void head_gradient(const int*, const double*, const Bf16*, const Bf16*, Bf16*, int64_t, int64_t, Stream);

}  // namespace afina::model::cuda
