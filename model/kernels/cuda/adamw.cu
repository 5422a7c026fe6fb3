// SPDX-License-Identifier: Apache-2.0
// AdamW over one flat fp32 buffer (arXiv:1711.05101), and the sums of its gradient's norm.
#include "model/kernels/cuda/device.h"

namespace afina::model::cuda {
namespace {

// Every operation is rounded by itself: nvcc would fuse products and sums, and the update would then differ in its last
// bit from the CPU's and from torch's.
__global__ void update(float* p, const float* g, float* m, float* v, int64_t n, AdamWStep s) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n) return;
  const float gradient = __fmul_rn(g[i], s.clip);
  const float decayed = __fmul_rn(p[i], s.decay);
  const float m1 = __fadd_rn(m[i], __fmul_rn(s.weight1, __fsub_rn(gradient, m[i])));
  const float m2 = __fadd_rn(__fmul_rn(v[i], s.beta2), __fmul_rn(__fmul_rn(s.weight2, gradient), gradient));
  const float divisor = __fadd_rn(__fdiv_rn(__fsqrt_rn(m2), s.root), s.epsilon);
  m[i] = m1;
  v[i] = m2;
  p[i] = __fadd_rn(decayed, __fdiv_rn(__fmul_rn(s.minus_rate, m1), divisor));
}

__global__ void squares(const float* g, double* partial, int64_t n) {
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kNormBlock;
  const int64_t end = begin + kNormBlock < n ? begin + kNormBlock : n;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads)
    sum += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

}  // namespace

void adamw(float* parameters, const float* gradient, float* moment1, float* moment2, int64_t n, const AdamWStep& step,
           Stream stream) {
  launch(update, blocks_for(n), stream, parameters, gradient, moment1, moment2, n, step);
}

void sum_squares(const float* gradient, double* partial, int64_t n, Stream stream) {
  launch(squares, norm_blocks(n), stream, gradient, partial, n);
}

}  // namespace afina::model::cuda
