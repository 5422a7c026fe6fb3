// SPDX-License-Identifier: Apache-2.0
// Element-wise and row-wise loops, included by the isa_*.cpp files only; the formulas are in table.h.
#pragma once
#include <cmath>
#include <type_traits>

#include "model/kernels/cpu/vec_impl.h"

namespace {

float dot(const float* a, const float* b, int64_t n) {
  RegVec s0 = {}, s1 = {};
  const int64_t end = whole(n);
  int64_t i = 0;
  for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
    s0 += load(a + i) * load(b + i);
    s1 += load(a + i + kLanes) * load(b + i + kLanes);
  }
  for (; i < end; i += kLanes)
    s0 += load(a + i) * load(b + i);
  float sum = sum_lanes(s0 + s1);
  for (; i < n; ++i)
    sum += a[i] * b[i];
  return sum;
}

void rms_apply(const float* x, const float* w, float rstd, float* y, int64_t n) {
  const int64_t end = whole(n);
  for (int64_t i = 0; i < end; i += kLanes)
    store(y + i, load(x + i) * rstd * load(w + i));
  for (int64_t i = end; i < n; ++i)
    y[i] = x[i] * rstd * w[i];
}

float rms_forward(const float* x, const float* w, float* y, int64_t n, float eps) {
  const float rstd = 1.0F / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps);
  rms_apply(x, w, rstd, y, n);
  return rstd;
}

void rms_backward(const float* dy, const float* x, const float* w, float rstd, float* dx, int64_t n) {
  const int64_t end = whole(n);
  RegVec sum_v = {};
  for (int64_t i = 0; i < end; i += kLanes)
    sum_v += load(dy + i) * load(w + i) * load(x + i);
  float sum = sum_lanes(sum_v);
  for (int64_t i = end; i < n; ++i)
    sum += dy[i] * w[i] * x[i];
  const float f = sum / static_cast<float>(n) * rstd * rstd;
  for (int64_t i = 0; i < end; i += kLanes)
    store(dx + i, load(dx + i) + (load(dy + i) * load(w + i) - load(x + i) * f) * rstd);
  for (int64_t i = end; i < n; ++i)
    dx[i] += (dy[i] * w[i] - x[i] * f) * rstd;
}

template <int Sign>
void rotate(float* x, const float* cos, const float* sin, int64_t half) {
  const int64_t end = whole(half);
  for (int64_t i = 0; i < end; i += kLanes) {
    const RegVec a = load(x + i), b = load(x + half + i), c = load(cos + i),
                 s = load(sin + i) * static_cast<float>(Sign);
    store(x + i, a * c - b * s);
    store(x + half + i, b * c + a * s);
  }
  for (int64_t i = end; i < half; ++i) {
    const float a = x[i], b = x[half + i], s = sin[i] * static_cast<float>(Sign);
    x[i] = a * cos[i] - b * s;
    x[half + i] = b * cos[i] + a * s;
  }
}
void rope(float* x, const float* cos, const float* sin, int64_t half) {
  rotate<1>(x, cos, sin, half);
}
void rope_inverse(float* x, const float* cos, const float* sin, int64_t half) {
  rotate<-1>(x, cos, sin, half);
}

inline RegVec sigmoid(RegVec x) {
  return 1.0F / (1.0F + exp_vec(-x));
}

void swiglu_forward(const float* gate, const float* up, float* h, int64_t n) {
  const auto one = [](RegVec g, RegVec u) { return g * sigmoid(g) * u; };
  const int64_t end = whole(n), left = n - end;
  for (int64_t i = 0; i < end; i += kLanes)
    store(h + i, one(load(gate + i), load(up + i)));
  if (left > 0) store_tail(h + end, one(load_tail(gate + end, left, 0), load_tail(up + end, left, 0)), left);
}

void swiglu_backward(const float* gate, const float* up, const float* dh, float* d_gate, float* d_up, int64_t n) {
  struct Out {
    RegVec dg, du;
  };
  const auto one = [](RegVec g, RegVec u, RegVec d) {
    const RegVec s = sigmoid(g);
    return Out{d * u * s * (1.0F + g * (1.0F - s)), d * (g * s)};
  };
  const int64_t end = whole(n), left = n - end;
  for (int64_t i = 0; i < end; i += kLanes) {
    const Out out = one(load(gate + i), load(up + i), load(dh + i));
    store(d_gate + i, out.dg);
    store(d_up + i, out.du);
  }
  if (left > 0) {
    const Out out = one(load_tail(gate + end, left, 0), load_tail(up + end, left, 0), load_tail(dh + end, left, 0));
    store_tail(d_gate + end, out.dg, left);
    store_tail(d_up + end, out.du, left);
  }
}

float max(const float* x, int64_t n) {
  const int64_t end = whole(n);
  float best = x[0];
  if (end > 0) {
    RegVec m = load(x);
    for (int64_t i = kLanes; i < end; i += kLanes) {
      const RegVec v = load(x + i);
      m = v > m ? v : m;
    }
    best = max_lanes(m);
  }
  for (int64_t i = end; i < n; ++i)
    best = x[i] > best ? x[i] : best;
  return best;
}

float exp_sum(float* x, int64_t n, float scale, float shift) {
  const int64_t end = whole(n), left = n - end;
  RegVec sum = {};
  for (int64_t i = 0; i < end; i += kLanes) {
    const RegVec e = exp_vec(load(x + i) * scale - shift);
    store(x + i, e);
    sum += e;
  }
  float total = sum_lanes(sum);
  if (left > 0) {
    store_tail(x + end, exp_vec(load_tail(x + end, left, 0) * scale - shift), left);
    for (int64_t i = end; i < n; ++i)
      total += x[i];
  }
  return total;
}

/// Adds up f(x) in short fp32 sums and those in double. f may store where X is float.
template <typename X, typename F>
double wide_sum(X* x, int64_t n, F f) {
  double total = 0;
  constexpr int64_t kBlock = 256;
  const int64_t end = whole(n);
  for (int64_t i = 0; i < end;) {
    const int64_t stop = i + kBlock < end ? i + kBlock : end;
    RegVec sum = {};
    for (; i < stop; i += kLanes)
      sum += f(x + i);
    total += static_cast<double>(sum_lanes(sum));
  }
  if (end < n) {
    float tail[kLanes] = {};
    for (int64_t i = end; i < n; ++i)
      tail[i - end] = x[i];
    float sums[kLanes];
    store(sums, f(tail));
    for (int64_t i = end; i < n; ++i) {
      total += static_cast<double>(sums[i - end]);
      if constexpr (!std::is_const_v<X>) x[i] = tail[i - end];
    }
  }
  return total;
}

double sum_exp(const float* x, int64_t n, float shift) {
  return wide_sum(x, n, [shift](const float* p) { return exp_vec(load(p) - shift); });
}

double exp_sum_wide(float* x, int64_t n, float shift) {
  return wide_sum(x, n, [shift](float* p) {
    const RegVec e = exp_vec(load(p) - shift);
    store(p, e);
    return e;
  });
}

double sum_exp_weighted(const float* x, int64_t n, float shift) {
  return wide_sum(x, n, [shift](const float* p) {
    const RegVec y = load(p) - shift;
    return exp_vec(y) * y;
  });
}

void axpy(float* y, const float* x, float f, int64_t n) {
  const int64_t end = whole(n);
  for (int64_t i = 0; i < end; i += kLanes)
    store(y + i, load(y + i) + load(x + i) * f);
  for (int64_t i = end; i < n; ++i)
    y[i] += x[i] * f;
}

void scale(float* y, float f, int64_t n) {
  const int64_t end = whole(n);
  for (int64_t i = 0; i < end; i += kLanes)
    store(y + i, load(y + i) * f);
  for (int64_t i = end; i < n; ++i)
    y[i] *= f;
}

void softmax_backward(const float* p, float* ds, float d, float scale, int64_t n) {
  const int64_t end = whole(n);
  for (int64_t i = 0; i < end; i += kLanes)
    store(ds + i, load(p + i) * (load(ds + i) - d) * scale);
  for (int64_t i = end; i < n; ++i)
    ds[i] = p[i] * (ds[i] - d) * scale;
}

}  // namespace
