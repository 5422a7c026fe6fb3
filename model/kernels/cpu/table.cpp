// SPDX-License-Identifier: Apache-2.0
#include "model/kernels/cpu/table.h"

#include "base/error.h"

namespace afina::model::kernels {

extern const KernelTable k_table_generic;
#if defined(__x86_64__)
extern const KernelTable k_table_avx2;
extern const KernelTable k_table_avx512;
extern const KernelTable k_table_avx512_bf16;
#endif

bool has(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512_bf16) return has(Isa::avx512) && __builtin_cpu_supports("avx512bf16");
  if (isa == Isa::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  if (isa == Isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return isa == Isa::generic;
}

const KernelTable& table(Isa isa) {
  AFINA_CHECK(has(isa), "[kernels] must run on this processor, but got an instruction set it lacks");
#if defined(__x86_64__)
  if (isa == Isa::avx512_bf16) return k_table_avx512_bf16;
  if (isa == Isa::avx512) return k_table_avx512;
  if (isa == Isa::avx2) return k_table_avx2;
#endif
  return k_table_generic;
}

const KernelTable& table() {
  static const KernelTable& best = []() -> const KernelTable& {
    for (const Isa isa : {Isa::avx512_bf16, Isa::avx512, Isa::avx2})
      if (has(isa)) return table(isa);
    return table(Isa::generic);
  }();
  return best;
}

}  // namespace afina::model::kernels
