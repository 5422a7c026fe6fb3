// SPDX-License-Identifier: Apache-2.0
#include "model/frozen_bf16.h"

#include "model/packed_linear.h"

namespace afina::model {

std::unique_ptr<FrozenLinear> make_frozen_bf16(int64_t out, int64_t in, const RowReader& read, Transposed transposed) {
  return std::make_unique<PackedLinear<Bf16Panels>>(out, in, read, transposed);
}

}  // namespace afina::model
