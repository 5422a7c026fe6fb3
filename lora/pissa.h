// SPDX-License-Identifier: Apache-2.0
// PiSSA's starting point (arXiv:2404.02948): the r largest singular directions of a weight as A and B. The frozen base
// is shared and may be packed, so instead of W − sBA it stays W, and the adapter subtracts its fixed starting point.
#pragma once
#include <ATen/core/Tensor.h>

#include <utility>

namespace afina::lora {

/// {A [r, in] = √(S/scale) Vᵀ, B [out, r] = U √(S/scale)}: scale·BA is the best rank-r approximation of w_OI. r must
/// not exceed either side (UsageError). iterations 0: exact SVD; above: subspace iteration from a fixed random start,
/// quicker on large matrices. Deterministic on one machine.
std::pair<at::Tensor, at::Tensor> pissa_directions(const at::Tensor& w_OI, int64_t r, double scale, int iterations);

}  // namespace afina::lora
