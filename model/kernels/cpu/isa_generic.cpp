// SPDX-License-Identifier: Apache-2.0
#include "model/kernels/cpu/isa_table.h"

namespace afina::model::kernels {
extern const KernelTable k_table_generic;
const KernelTable k_table_generic = make_table("generic");
}  // namespace afina::model::kernels
