// SPDX-License-Identifier: Apache-2.0
// Legend of the shape suffixes in tensor names, and the check that goes with them.
//   N rows of a packed batch     D hidden          F ffn               V vocabulary
//   H query heads                G key/value heads K head dimension    Q = H*K, C = Q + 2*G*K (fused q|k|v)
//   I, O input, output features of a linear layer  S columns an adapter saves   P adapter parameters
//   M targets                    R distinct target rows                T positions
#pragma once
#include <ATen/core/Tensor.h>

#include <initializer_list>

namespace afina::model {

/// Programmer's check: fp32, CPU, this shape (-1 = any), unit stride in the last dimension. Throws InternalError naming
/// `name`.
void check_shape(const at::Tensor& tensor, std::initializer_list<int64_t> shape, const char* name);

}  // namespace afina::model
