// SPDX-License-Identifier: Apache-2.0
// A frozen linear layer over 4-bit NF4 storage (QLoRA, arXiv 2305.14314): products dequantise a few panels at a time
// into scratch and run the packed kernel on them, so no fp32 copy of the weight ever exists. The format itself belongs
// to formats/nf4.h.
#pragma once
#include <memory>
#include <vector>

#include "formats/nf4.h"
#include "model/frozen_linear.h"

namespace afina::model {

/// parts: matrices [rows, in] of one in, stacked in their order (q, k, v of a fused site). Double-quantised scales are
/// widened to fp32. Values equal formats::nf4_dequantize() bit for bit.
std::unique_ptr<FrozenLinear> make_frozen_nf4(std::vector<formats::Nf4Tensor> parts,
                                              Nf4Arithmetic arithmetic = Nf4Arithmetic::fp32);
/// A copy of what lies in a file.
formats::Nf4Tensor own(const formats::Nf4View& view);

}  // namespace afina::model
