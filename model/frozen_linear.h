// SPDX-License-Identifier: Apache-2.0
// A linear layer whose weight never changes: forward, gradient of its input, nothing else. The storage decides how the
// weight lies in memory (fp32 packed for our kernels, fp32 plain for ATen, bf16 in frozen_bf16.h, NF4 in frozen_nf4.h).
// No bias: that is LayerWeights' and the decoder's.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
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

/// How products over NF4 storage are computed. fp32: with the dequantised weights, what the format means and what
/// bitsandbytes computes for training. bitsandbytes_cpu: as its fused kernel for inference on processors with
/// AVX512-BF16, which rounds inputs, code book, scales and outputs to bfloat16; to compare with numbers made there
/// (only forward differs). bfloat16: dequantised weights and inputs rounded to bf16, sums in fp32, as in frozen_bf16.h.
enum class Nf4Arithmetic { fp32, bitsandbytes_cpu, bfloat16 };

/// Where backward_input of packed storage finds its panels. on_the_fly: transposed block by block out of the forward
/// panels, in each call; kept: a second copy of the weight, made by prepare_backward(). The same bits either way.
enum class Transposed { on_the_fly, kept };

/// Takes W_OI [out, in] fp32, contiguous. The packed storage copies it, the plain one keeps it.
std::unique_ptr<FrozenLinear> make_frozen_f32(const at::Tensor& w_OI, GemmBackend backend,
                                              Transposed transposed = Transposed::on_the_fly);

/// Rows [first, first + R) of a weight as fp32 into out_RI [R, in], contiguous.
using RowReader = std::function<void(int64_t first, at::Tensor& out_RI)>;
/// The same for a weight [out, in] that is read piece by piece, in order: the packed storage never holds more of it in
/// the plain layout than 16 MiB (or 32 rows).
std::unique_ptr<FrozenLinear> make_frozen_f32(int64_t out, int64_t in, const RowReader& read, GemmBackend backend,
                                              Transposed transposed = Transposed::on_the_fly);

}  // namespace afina::model
