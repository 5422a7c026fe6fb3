// SPDX-License-Identifier: Apache-2.0
// A frozen linear layer in bfloat16: weights rounded to bf16 (nearest even) when read, inputs of a product rounded the
// same way while they are packed, sums and results in fp32. Half the memory of fp32; VDPBF16PS where the processor has
// it, the same roundings over fp32 FMA elsewhere.
#pragma once
#include <memory>

#include "model/frozen_linear.h"

namespace afina::model {

/// rows [out, in] read piece by piece, in order. gather_rows gives the bf16 values, exactly. transposed: as in
/// make_frozen_f32.
std::unique_ptr<FrozenLinear> make_frozen_bf16(int64_t out, int64_t in, const RowReader& read,
                                               Transposed transposed = Transposed::on_the_fly);

}  // namespace afina::model
