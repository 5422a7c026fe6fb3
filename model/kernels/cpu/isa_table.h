// SPDX-License-Identifier: Apache-2.0
// The last lines of every isa_*.cpp: its functions as a table.
#pragma once
#include "model/kernels/cpu/gemm_impl.h"
#include "model/kernels/cpu/rows_impl.h"

namespace {
constexpr afina::model::kernels::KernelTable make_table(const char* name) {
  return {
      name,           kTileRows,       tile, pack_a,  rms_forward, rms_apply,    rms_backward,     rope, rope_inverse,
      swiglu_forward, swiglu_backward, max,  exp_sum, sum_exp,     exp_sum_wide, sum_exp_weighted, dot,  axpy,
      scale,          softmax_backward};
}
}  // namespace
