// SPDX-License-Identifier: Apache-2.0
#include "model/thin_products.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "model/kernels/cpu/gemm.h"
#include "model/kernels/cpu/scratch.h"
#include "model/parallel.h"
#include "model/shapes.h"

namespace afina::model {
namespace {

using kernels::Gemm;
using kernels::kPanel;

/// B[k, n] = scale * source[k*row_stride + n*column_stride] as panels, in this thread's scratch until its next call.
const float* packed(const at::Tensor& source, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n,
                    double scale) {
  thread_local kernels::Scratch scratch;
  const int64_t size = kernels::packed_floats(k, n);
  float* out = scratch.get(size);
  kernels::pack_b(source.const_data_ptr<float>(), row_stride, column_stride, k, n, out, 0, kernels::panels(n));
  if (scale != 1.0) kernels::table().scale(out, static_cast<float>(scale), size);
  return out;
}

/// c = a B (+ c) over all rows.
void multiply(const at::Tensor& a, const float* b, at::Tensor& c, bool accumulate) {
  const Gemm g{.m = a.size(0),
               .n = c.size(1),
               .k = a.size(1),
               .a = a.const_data_ptr<float>(),
               .a_row = a.stride(0),
               .b = b,
               .c = c.data_ptr<float>(),
               .ldc = c.stride(0),
               .accumulate = accumulate};
  const int64_t units = kernels::gemm_units(g);
  if (units == 0) return;
  parallel(
      units, [&g](int64_t begin, int64_t end) { kernels::gemm(g, begin, end); },
      worth_a_thread(g.m * g.n / units * g.k));
}

/// c_SI (+)= g_NS^T x_NI: the long operand x is cut into panels while it is read.
void outer(const at::Tensor& g_NS, const at::Tensor& x_NI, float* c, int64_t ldc, bool accumulate) {
  const float* x = x_NI.const_data_ptr<float>();
  const int64_t stride = x_NI.stride(0), n = x_NI.size(1);
  const kernels::MakePanel<float> copy = [=](int64_t panel, int64_t k0, int64_t count, float* to) {
    const auto columns = static_cast<size_t>(std::min<int64_t>(kPanel, n - panel * kPanel));
    const float* from = x + k0 * stride + panel * kPanel;
    if (columns < kPanel) std::memset(to, 0, static_cast<size_t>(count) * kPanel * sizeof(float));
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(to + i * kPanel, from + i * stride, columns * sizeof(float));
  };
  const Gemm g{.m = g_NS.size(1),
               .n = n,
               .k = g_NS.size(0),
               .a = g_NS.const_data_ptr<float>(),
               .a_row = 1,
               .a_col = g_NS.stride(0),
               .c = c,
               .ldc = ldc,
               .accumulate = accumulate};
  parallel(
      kernels::panels(n), [&](int64_t begin, int64_t end) { kernels::gemm_made(g, copy, begin, end); },
      worth_a_thread(g.m * g.k * kPanel));
}

}  // namespace

bool thin_products_pay(const at::Tensor& x_NI) {
  constexpr int64_t kLeastRows = 16;
  return x_NI.device().is_cpu() && x_NI.size(0) >= kLeastRows && x_NI.stride(1) == 1;
}

void thin_project(const at::Tensor& x_NI, const at::Tensor& a_SI, at::Tensor& xa_NS) {
  const int64_t in = a_SI.size(1), width = a_SI.size(0);
  check_shape(xa_NS, {x_NI.size(0), width}, "xa_NS");
  multiply(x_NI, packed(a_SI, 1, a_SI.stride(0), in, width, 1.0), xa_NS, false);
}

void thin_expand(const at::Tensor& xa_NR, const at::Tensor& b_OR, double scale, at::Tensor& y_NO) {
  const int64_t r = b_OR.size(1), out = b_OR.size(0);
  check_shape(y_NO, {xa_NR.size(0), out}, "y_NO");
  multiply(xa_NR, packed(b_OR, 1, b_OR.stride(0), r, out, scale), y_NO, true);
}

void thin_contract(const at::Tensor& dy_NO, const at::Tensor& b_OR, double scale, at::Tensor& g_NR) {
  const int64_t r = b_OR.size(1), out = b_OR.size(0);
  check_shape(g_NR, {dy_NO.size(0), r}, "g_NR");
  multiply(dy_NO, packed(b_OR, b_OR.stride(0), 1, out, r, scale), g_NR, false);
}

void thin_spread(const at::Tensor& g_NS, const at::Tensor& a_SI, at::Tensor& dx_NI) {
  const int64_t width = a_SI.size(0), in = a_SI.size(1);
  check_shape(dx_NI, {g_NS.size(0), in}, "dx_NI");
  multiply(g_NS, packed(a_SI, a_SI.stride(0), 1, width, in, 1.0), dx_NI, true);
}

void thin_gradient_a(const at::Tensor& g_NS, const at::Tensor& x_NI, at::Tensor& da_SI) {
  check_shape(da_SI, {g_NS.size(1), x_NI.size(1)}, "da_SI");
  outer(g_NS, x_NI, da_SI.data_ptr<float>(), da_SI.stride(0), true);
}

void thin_gradient_b(const at::Tensor& dy_NO, const at::Tensor& xa_NR, double scale, at::Tensor& db_OR) {
  const int64_t out = dy_NO.size(1), r = xa_NR.size(1);
  check_shape(db_OR, {out, r}, "db_OR");
  thread_local kernels::Scratch scratch;
  float* sum_RO = scratch.get(r * out);
  outer(xa_NR, dy_NO, sum_RO, out, false);
  float* db = db_OR.data_ptr<float>();
  for (int64_t o = 0; o < out; ++o)
    for (int64_t i = 0; i < r; ++i)
      db[o * db_OR.stride(0) + i] += static_cast<float>(scale) * sum_RO[i * out + o];
}

}  // namespace afina::model
