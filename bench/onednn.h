// SPDX-License-Identifier: Apache-2.0
// oneDNN's products over packed weights as LibTorch ships them, to measure against: registered operators, called
// through the dispatcher. Not used by the engine, whose own products are as fast and write into given buffers.
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace afina::bench {

/// w_OI packed for products with about `rows` rows, fp32 or bf16.
inline at::Tensor onednn_pack(const at::Tensor& w_OI, int64_t rows) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                             .typed<at::Tensor(const at::Tensor&, std::optional<int64_t>)>();
  return op.call(w_OI, rows);
}

/// x_NI W^T, newly allocated.
inline at::Tensor onednn_linear(const at::Tensor& x_NI, const at::Tensor& packed) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                            c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>)>();
  return op.call(x_NI, packed, std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace afina::bench
