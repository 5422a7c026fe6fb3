// SPDX-License-Identifier: Apache-2.0
// A linear layer whose weight never changes: forward, gradient of its input, nothing else. The storage decides how the
// weight lies in memory (fp32 packed for our kernels, fp32 plain for ATen; later bf16 and NF4). No bias: families with
// one are refused.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <span>

namespace afina::model {

/// Immutable after prepare_backward(); forward and backward_input may be called from any thread, one call at a time
/// uses all compute threads. Rows are independent: no bit of an output row depends on the other rows of the call.
class FrozenLinear {
 public:
  FrozenLinear() = default;
  FrozenLinear(const FrozenLinear&) = delete;
  FrozenLinear& operator=(const FrozenLinear&) = delete;
  virtual ~FrozenLinear() = default;

  virtual int64_t in_features() const = 0;
  virtual int64_t out_features() const = 0;
  /// y_NO = x_NI W^T + beta*y_NO; beta is 0 or 1. Rows may be strided, the last dimension is not.
  virtual void forward(const at::Tensor& x_NI, at::Tensor& y_NO, float beta) const = 0;
  /// dx_NI = dy_NO W + beta*dx_NI; beta is 0 or 1. Needs prepare_backward() before.
  virtual void backward_input(const at::Tensor& dy_NO, at::Tensor& dx_NI, float beta) const = 0;
  /// Makes the layout that backward_input needs, once; thread-safe. Generation never pays for it.
  virtual void prepare_backward() const = 0;
  /// Rows of W by index, as fp32 into out_RI: embedding look-ups, W[y] of targets.
  virtual void gather_rows(std::span<const int> rows, at::Tensor& out_RI) const = 0;
  /// Rows [first, first + R) of W as fp32 into out_RI: merging, exports.
  void dequantize_rows(int64_t first, at::Tensor& out_RI) const;
  /// Bytes held now.
  virtual int64_t bytes() const = 0;
};

/// Which product does the work. packed: our kernel over panel-packed weights; aten: at::mm over the plain weight, the
/// twin in tests and the fallback.
enum class GemmBackend { packed, aten };

/// Takes W_OI [out, in] fp32, contiguous. The packed storage copies it, the plain one keeps it.
std::unique_ptr<FrozenLinear> make_frozen_f32(const at::Tensor& w_OI, GemmBackend backend);

}  // namespace afina::model
