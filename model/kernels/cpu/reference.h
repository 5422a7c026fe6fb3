// SPDX-License-Identifier: Apache-2.0
// Plain twins of the kernels: one loop a formula, sums in double. For parity tests and for reading; never called by the
// product.
#pragma once
#include <cstdint>

#include "model/kernels/cpu/attention.h"

namespace afina::model::kernels::reference {

/// C[m, n] = A[m, k] B[k, n] (+ C), all row-major and contiguous.
void gemm(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c, bool accumulate);
/// The same with A and B rounded to bf16 first.
void gemm_bf16(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c, bool accumulate);
float rms_forward(const float* x, const float* w, float* y, int64_t n, float eps);
void rms_backward(const float* dy, const float* x, const float* w, float rstd, float* dx, int64_t n);
void rope(float* x, const float* cos, const float* sin, int64_t half, bool inverse);
void swiglu_forward(const float* gate, const float* up, float* h, int64_t n);
void swiglu_backward(const float* gate, const float* up, const float* dh, float* d_gate, float* d_up, int64_t n);
double sum_exp(const float* x, int64_t n, float shift);
void attention_forward(const Attention& a);
/// d_k, d_v per query head, as the kernel leaves them.
void attention_backward(const Attention& a, const AttentionGradient& g);

}  // namespace afina::model::kernels::reference
