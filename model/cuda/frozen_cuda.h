// SPDX-License-Identifier: Apache-2.0
// Frozen linear layers whose weights lie on a GPU. Inputs and outputs are fp32 on that GPU; products go to cuBLAS(Lt)
// through ATen's mm and addmm with an fp32 result (bf16 inputs, fp32 sums), which keep its handles, workspaces and
// per-stream state in order. Calls return before the work is done.
#pragma once
#include <memory>
#include <vector>

#include "formats/nf4.h"
#include "model/frozen_linear.h"

namespace afina::model::cuda {

/// Takes W_OI [out, in] of any float type; it is held as `type` (float or bfloat16).
std::unique_ptr<FrozenLinear> make_frozen(const at::Tensor& w_OI, at::ScalarType type, at::Device device);

/// Two buffers that dequantised weights take turns in. While a product reads one, the next matrix in the pass's
/// direction is dequantised into the other on a second stream; events order both. One for all layers of a model; used
/// by one thread at a time. Costs two of the largest matrix in bf16.
class DequantizeAhead;
std::shared_ptr<DequantizeAhead> make_dequantize_ahead(at::Device device);

/// NF4 with its scales as they are (double quantisation included). parts: stacked matrices of one width, as
/// make_frozen_nf4 takes them. The order of these calls is the order of the forward pass.
std::unique_ptr<FrozenLinear> make_frozen_nf4(std::vector<formats::Nf4Tensor> parts,
                                              std::shared_ptr<DequantizeAhead> ahead);

}  // namespace afina::model::cuda
