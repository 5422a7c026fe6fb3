// SPDX-License-Identifier: Apache-2.0
// The last lines of every isa_*.cpp: its functions as a table.
#pragma once
#include "model/kernels/cpu/gemm_bf16_impl.h"
#include "model/kernels/cpu/gemm_impl.h"
#include "model/kernels/cpu/rows_impl.h"

namespace {
constexpr afina::model::kernels::KernelTable make_table(const char* name) {
  return {.name = name,
          .tile_rows = kTileRows,
          .tile = tile,
          .pack_a = pack_a,
          .native_bf16 = kNativeBf16,
          .bf16_pair_floats = kPairFloats,
          .tile_bf16 = tile_bf16,
          .pack_a_bf16 = pack_a_bf16,
          .transpose = transpose,
          .transpose_bf16 = transpose_bf16,
          .rms_forward = rms_forward,
          .rms_apply = rms_apply,
          .rms_backward = rms_backward,
          .rope = rope,
          .rope_inverse = rope_inverse,
          .swiglu_forward = swiglu_forward,
          .swiglu_backward = swiglu_backward,
          .max = max,
          .exp_sum = exp_sum,
          .sum_exp = sum_exp,
          .exp_sum_wide = exp_sum_wide,
          .sum_exp_weighted = sum_exp_weighted,
          .dot = dot,
          .axpy = axpy,
          .scale = scale,
          .softmax_backward = softmax_backward};
}
}  // namespace
