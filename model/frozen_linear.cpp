// SPDX-License-Identifier: Apache-2.0
#include "model/frozen_linear.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "model/packed_linear.h"
#include "model/shapes.h"

namespace afina::model {
namespace {

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

std::unique_ptr<FrozenLinear> make_frozen_f32(const at::Tensor& w_OI, GemmBackend backend, Transposed transposed) {
  check_shape(w_OI, {-1, -1}, "w_OI");
  AFINA_CHECK(w_OI.is_contiguous(), "[model] weights must be contiguous");
  if (backend == GemmBackend::aten) return std::make_unique<PlainF32>(w_OI);
  const RowReader read = [&w_OI](int64_t first, at::Tensor& out_RI) {
    out_RI.copy_(w_OI.narrow(0, first, out_RI.size(0)));
  };
  return std::make_unique<PackedLinear<Fp32Panels>>(w_OI.size(0), w_OI.size(1), read, transposed);
}

std::unique_ptr<FrozenLinear> make_frozen_f32(int64_t out, int64_t in, const RowReader& read, GemmBackend backend,
                                              Transposed transposed) {
  if (backend == GemmBackend::packed) return std::make_unique<PackedLinear<Fp32Panels>>(out, in, read, transposed);
  at::Tensor w_OI = at::empty({out, in}, at::kFloat);
  read(0, w_OI);
  return std::make_unique<PlainF32>(w_OI);
}

}  // namespace afina::model
