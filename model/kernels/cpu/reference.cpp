// SPDX-License-Identifier: Apache-2.0
#include "model/kernels/cpu/reference.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace afina::model::kernels::reference {
namespace {

double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

/// Rows that `row` of a segment sees.
std::vector<int64_t> visible(const AttentionSegment& s, int64_t row) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < s.prefix_length; ++i)
    rows.push_back(s.prefix_begin + i);
  for (int64_t i = s.begin; i <= row; ++i)
    rows.push_back(i);
  return rows;
}

/// Calls f(row, head, key row, probability) for every visible pair.
template <typename F>
void for_each_probability(const Attention& a, F f) {
  const int64_t hd = a.head_dim, share = a.heads / a.kv_heads;
  for (int64_t s = 0; s < a.n_segments; ++s)
    for (int64_t row = a.segments[s].begin; row < a.segments[s].begin + a.segments[s].length; ++row)
      for (int64_t h = 0; h < a.heads; ++h) {
        const std::vector<int64_t> keys = visible(a.segments[s], row);
        std::vector<double> p;
        for (const int64_t key : keys)
          p.push_back(dot(a.q + row * a.qkv_stride + h * hd, a.k + key * a.qkv_stride + h / share * hd, hd) * a.scale);
        const double top = *std::max_element(p.begin(), p.end());
        double sum = 0;
        for (double& value : p)
          sum += value = std::exp(value - top);
        a.lse[h * a.lse_stride + row] = static_cast<float>(top + std::log(sum));
        for (size_t i = 0; i < keys.size(); ++i)
          f(row, h, keys[i], p[i] / sum);
      }
}

}  // namespace

void gemm(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c, bool accumulate) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = accumulate ? c[i * n + j] : 0.0;
      for (int64_t l = 0; l < k; ++l)
        sum += static_cast<double>(a[i * k + l]) * b[l * n + j];
      c[i * n + j] = static_cast<float>(sum);
    }
}

void gemm_bf16(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c, bool accumulate) {
  const auto rounded = [](const float* values, int64_t count) {
    std::vector<float> out(values, values + count);
    for (float& value : out) {
      int exponent = 0;
      const double scale = std::ldexp(1.0, 8 - (std::frexp(value, &exponent), exponent));
      value = static_cast<float>(std::nearbyint(value * scale) / scale);  // 8 bits, halves to even
    }
    return out;
  };
  gemm(m, n, k, rounded(a, m * k).data(), rounded(b, k * n).data(), c, accumulate);
}

float rms_forward(const float* x, const float* w, float* y, int64_t n, float eps) {
  const double rstd = 1.0 / std::sqrt(dot(x, x, n) / static_cast<double>(n) + eps);
  for (int64_t i = 0; i < n; ++i)
    y[i] = static_cast<float>(x[i] * rstd * w[i]);
  return static_cast<float>(rstd);
}

void rms_backward(const float* dy, const float* x, const float* w, float rstd, float* dx, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += static_cast<double>(dy[i]) * w[i] * x[i];
  const double f = sum / static_cast<double>(n) * rstd * rstd;
  for (int64_t i = 0; i < n; ++i)
    dx[i] += static_cast<float>(rstd * (static_cast<double>(w[i]) * dy[i] - x[i] * f));
}

void rope(float* x, const float* cos, const float* sin, int64_t half, bool inverse) {
  for (int64_t i = 0; i < half; ++i) {
    const double a = x[i], b = x[half + i], s = inverse ? -sin[i] : sin[i];
    x[i] = static_cast<float>(a * cos[i] - b * s);
    x[half + i] = static_cast<float>(b * cos[i] + a * s);
  }
}

void swiglu_forward(const float* gate, const float* up, float* h, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    h[i] = static_cast<float>(gate[i] * sigmoid(gate[i]) * up[i]);
}

void swiglu_backward(const float* gate, const float* up, const float* dh, float* d_gate, float* d_up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const double g = gate[i], u = up[i], d = dh[i], s = sigmoid(g);
    d_gate[i] = static_cast<float>(d * u * s * (1.0 + g * (1.0 - s)));
    d_up[i] = static_cast<float>(d * g * s);
  }
}

double sum_exp(const float* x, int64_t n, float shift) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += std::exp(static_cast<double>(x[i]) - shift);
  return sum;
}

void attention_forward(const Attention& a) {
  const int64_t hd = a.head_dim, share = a.heads / a.kv_heads;
  std::vector<double> o;
  int64_t rows = 0;
  for (int64_t s = 0; s < a.n_segments; ++s)
    rows = std::max(rows, a.segments[s].begin + a.segments[s].length);
  o.assign(static_cast<size_t>(rows * a.heads * hd), 0.0);
  for_each_probability(a, [&](int64_t row, int64_t h, int64_t key, double p) {
    for (int64_t d = 0; d < hd; ++d)
      o[(row * a.heads + h) * hd + d] += p * a.v[key * a.qkv_stride + h / share * hd + d];
  });
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < a.heads * hd; ++i)
      a.o[row * a.o_stride + i] = static_cast<float>(o[row * a.heads * hd + i]);
}

void attention_backward(const Attention& a, const AttentionGradient& g) {
  const int64_t hd = a.head_dim, share = a.heads / a.kv_heads;
  for_each_probability(a, [&](int64_t row, int64_t h, int64_t key, double p) {
    const float* d_o = g.d_o + row * a.o_stride + h * hd;
    const double d = dot(d_o, a.o + row * a.o_stride + h * hd, hd);
    const double ds = p * (dot(d_o, a.v + key * a.qkv_stride + h / share * hd, hd) - d) * a.scale;
    const int64_t at_key = (key * a.heads + h) * hd;
    for (int64_t i = 0; i < hd; ++i) {
      g.d_v[at_key + i] += static_cast<float>(p * d_o[i]);
      g.d_k[at_key + i] += static_cast<float>(ds * a.q[row * a.qkv_stride + h * hd + i]);
      g.d_q[row * g.d_q_stride + h * hd + i] += static_cast<float>(ds * a.k[key * a.qkv_stride + h / share * hd + i]);
    }
  });
}

}  // namespace afina::model::kernels::reference
