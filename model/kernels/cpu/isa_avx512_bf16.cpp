// SPDX-License-Identifier: Apache-2.0
#include "model/kernels/cpu/isa_table.h"

namespace afina::model::kernels {
extern const KernelTable k_table_avx512_bf16;
const KernelTable k_table_avx512_bf16 = make_table("avx512_bf16");
}  // namespace afina::model::kernels
