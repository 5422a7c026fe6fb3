// SPDX-License-Identifier: Apache-2.0
#include "model/cuda/frozen_cuda.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace afina::model::cuda {
namespace {

class FrozenDense final : public FrozenLinear {
 public:
  FrozenDense(const at::Tensor& w_OI, at::ScalarType type, at::Device device)
      : w_OI_(w_OI.to(device, type).contiguous()) {}

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
    const at::Tensor index =
        at::from_blob(const_cast<int*>(rows.data()), {static_cast<int64_t>(rows.size())}, at::kInt).to(w_OI_.device());
    out_RI.copy_(w_OI_.index_select(0, index));
  }
  int64_t bytes() const override { return static_cast<int64_t>(w_OI_.nbytes()); }

 private:
  void product(const at::Tensor& a, const at::Tensor& b, at::Tensor& c, float beta) const {
    AFINA_CHECK(a.device() == w_OI_.device() && c.device() == a.device(), "[model.cuda] operands on one GPU");
    if (w_OI_.scalar_type() == at::kFloat) {
      at::addmm_out(c, c, a, b, beta, 1);
    } else if (beta == 0.0F) {
      at::mm_out(c, a.to(at::kBFloat16), b, at::kFloat);
    } else {
      at::addmm_out(c, c, a.to(at::kBFloat16), b, at::kFloat, beta, 1);
    }
  }

  at::Tensor w_OI_;
};

}  // namespace

std::unique_ptr<FrozenLinear> make_frozen(const at::Tensor& w_OI, at::ScalarType type, at::Device device) {
  AFINA_CHECK(type == at::kFloat || type == at::kBFloat16, "[model.cuda] weights are held as float or bfloat16");
  return std::make_unique<FrozenDense>(w_OI, type, device);
}

}  // namespace afina::model::cuda
