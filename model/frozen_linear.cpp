// SPDX-License-Identifier: Apache-2.0
#include "model/frozen_linear.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "model/kernels/cpu/gemm.h"
#include "model/kernels/cpu/scratch.h"
#include "model/parallel.h"
#include "model/shapes.h"

namespace afina::model {
namespace {

using kernels::Gemm;
using kernels::kPanel;

constexpr int64_t kPieceFloats = 4 << 20;

void run(const Gemm& g) {
  const int64_t units = kernels::gemm_units(g);
  if (units == 0) return;
  parallel(
      units, [&g](int64_t begin, int64_t end) { kernels::gemm(g, begin, end); },
      worth_a_thread(g.m * g.n / units * g.k));
}

/// W lies as panels of 32 outputs for forward, look-ups and decoding, and, once asked for, as panels of 32 inputs for
/// backward.
class PackedF32 final : public FrozenLinear {
 public:
  explicit PackedF32(const at::Tensor& w_OI) : out_(w_OI.size(0)), in_(w_OI.size(1)) {
    float* packed = forward_.get(kernels::packed_floats(in_, out_), true);
    const float* w = w_OI.const_data_ptr<float>();
    parallel(kernels::panels(out_),
             [&](int64_t begin, int64_t end) { kernels::pack_b(w, 1, in_, in_, out_, packed, begin, end); });
    forward_data_ = packed;
  }

  PackedF32(int64_t out, int64_t in, const RowReader& read) : out_(out), in_(in) {
    float* packed = forward_.get(kernels::packed_floats(in_, out_), true);
    const int64_t piece = std::max<int64_t>(1, kPieceFloats / (in_ * kPanel)) * kPanel;
    at::Tensor rows_RI = at::empty({std::min(piece, out_), in_}, at::kFloat);
    for (int64_t first = 0; first < out_; first += piece) {
      at::Tensor part_RI = rows_RI.narrow(0, 0, std::min(piece, out_ - first));
      read(first, part_RI);
      const float* w = part_RI.const_data_ptr<float>();
      parallel(kernels::panels(part_RI.size(0)), [&](int64_t begin, int64_t end) {
        kernels::pack_b(w, 1, in_, in_, part_RI.size(0), packed + first * in_, begin, end);
      });
    }
    forward_data_ = packed;
  }

  int64_t in_features() const override { return in_; }
  int64_t out_features() const override { return out_; }

  void forward(const at::Tensor& x_NI, at::Tensor& y_NO, float beta) const override {
    check_shape(x_NI, {-1, in_}, "x_NI");
    check_shape(y_NO, {x_NI.size(0), out_}, "y_NO");
    run({.m = x_NI.size(0),
         .n = out_,
         .k = in_,
         .a = x_NI.const_data_ptr<float>(),
         .a_row = x_NI.stride(0),
         .b = forward_data_,
         .c = y_NO.data_ptr<float>(),
         .ldc = y_NO.stride(0),
         .accumulate = beta != 0.0F});
  }

  void backward_input(const at::Tensor& dy_NO, at::Tensor& dx_NI, float beta) const override {
    const float* packed = backward_data_.load(std::memory_order_acquire);
    AFINA_CHECK(packed != nullptr, "[model] prepare_backward must come before backward_input");
    check_shape(dy_NO, {-1, out_}, "dy_NO");
    check_shape(dx_NI, {dy_NO.size(0), in_}, "dx_NI");
    run({.m = dy_NO.size(0),
         .n = in_,
         .k = out_,
         .a = dy_NO.const_data_ptr<float>(),
         .a_row = dy_NO.stride(0),
         .b = packed,
         .c = dx_NI.data_ptr<float>(),
         .ldc = dx_NI.stride(0),
         .accumulate = beta != 0.0F});
  }

  void prepare_backward() const override {
    const std::lock_guard lock(mutex_);
    if (backward_data_.load() != nullptr) return;
    float* packed = backward_.get(kernels::packed_floats(out_, in_), true);
    parallel(kernels::panels(in_), [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel)
        transpose_panel(panel, packed + panel * out_ * kPanel);
    });
    backward_data_.store(packed, std::memory_order_release);
  }

  void gather_rows(std::span<const int> rows, at::Tensor& out_RI) const override {
    check_shape(out_RI, {static_cast<int64_t>(rows.size()), in_}, "out_RI");
    for (const int row : rows)
      AFINA_CHECK(row >= 0 && row < out_, "[model] rows must be 0..", out_ - 1, ", but one is ", row);
    parallel(
        static_cast<int64_t>(rows.size()),
        [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r)
            kernels::unpack_column(forward_data_, in_, rows[static_cast<size_t>(r)],
                                   out_RI.data_ptr<float>() + r * out_RI.stride(0));
        },
        8);
  }

  int64_t bytes() const override {
    const int64_t backward = backward_data_.load() != nullptr ? kernels::packed_floats(out_, in_) : 0;
    return 4 * (kernels::packed_floats(in_, out_) + backward);
  }

 private:
  /// Inputs [panel*32, …) of every output, from the forward panels.
  void transpose_panel(int64_t panel, float* to) const {
    const int64_t first = panel * kPanel, columns = std::min<int64_t>(kPanel, in_ - first);
    if (columns < kPanel) std::memset(to, 0, static_cast<size_t>(out_ * kPanel) * sizeof(float));
    for (int64_t o = 0; o < out_; ++o) {
      const float* from = forward_data_ + (o / kPanel * in_ + first) * kPanel + o % kPanel;
      for (int64_t i = 0; i < columns; ++i)
        to[o * kPanel + i] = from[i * kPanel];
    }
  }

  int64_t out_, in_;
  kernels::Scratch forward_;
  const float* forward_data_ = nullptr;
  mutable std::mutex mutex_;
  mutable kernels::Scratch backward_;
  mutable std::atomic<const float*> backward_data_ = nullptr;
};

class PlainF32 final : public FrozenLinear {
 public:
  explicit PlainF32(at::Tensor w_OI) : w_OI_(std::move(w_OI)) {}
  int64_t in_features() const override { return w_OI_.size(1); }
  int64_t out_features() const override { return w_OI_.size(0); }
  void forward(const at::Tensor& x_NI, at::Tensor& y_NO, float beta) const override {
    product(x_NI, w_OI_.t(), y_NO, beta);
  }
  void backward_input(const at::Tensor& dy_NO, at::Tensor& dx_NI, float beta) const override {
    product(dy_NO, w_OI_, dx_NI, beta);
  }
  void prepare_backward() const override {}
  void gather_rows(std::span<const int> rows, at::Tensor& out_RI) const override {
    for (size_t i = 0; i < rows.size(); ++i)
      out_RI[static_cast<int64_t>(i)].copy_(w_OI_[rows[i]]);
  }
  int64_t bytes() const override { return w_OI_.numel() * 4; }

 private:
  static void product(const at::Tensor& a, const at::Tensor& b, at::Tensor& c, float beta) {
    if (beta == 0.0F) {
      at::mm_out(c, a, b);
    } else {
      c.addmm_(a, b);
    }
  }
  at::Tensor w_OI_;
};

}  // namespace

void FrozenLinear::dequantize_rows(int64_t first, at::Tensor& out_RI) const {
  std::vector<int> rows(static_cast<size_t>(out_RI.size(0)));
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<int>(first) + static_cast<int>(i);
  gather_rows(rows, out_RI);
}

std::unique_ptr<FrozenLinear> make_frozen_f32(const at::Tensor& w_OI, GemmBackend backend, Transposed /*transposed*/) {
  check_shape(w_OI, {-1, -1}, "w_OI");
  AFINA_CHECK(w_OI.is_contiguous(), "[model] weights must be contiguous");
  if (backend == GemmBackend::aten) return std::make_unique<PlainF32>(w_OI);
  return std::make_unique<PackedF32>(w_OI);
}

std::unique_ptr<FrozenLinear> make_frozen_f32(int64_t out, int64_t in, const RowReader& read, GemmBackend backend,
                                              Transposed /*transposed*/) {
  if (backend == GemmBackend::packed) return std::make_unique<PackedF32>(out, in, read);
  at::Tensor w_OI = at::empty({out, in}, at::kFloat);
  read(0, w_OI);
  return std::make_unique<PlainF32>(w_OI);
}

}  // namespace afina::model
