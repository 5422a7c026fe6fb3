// SPDX-License-Identifier: Apache-2.0
// Matrix products over panel-packed right-hand sides: C = A B (+ C), A and C fp32, B fp32 or bf16. Blocked as Goto and
// van de Geijn (2008): a block of A is packed per thread and stays in its L2, panels of B stream past it. No threads
// here: units of work are numbered, callers split the range. Each output element is summed in one fixed order, so
// results depend neither on the number of rows nor on the split.
//
// bf16: A is rounded to bf16 (to nearest even, values below 2^-126 to zero) while it is packed; of each pair of depths
// the odd one is added first, in fp32, as VDPBF16PS does.
#pragma once
#include <cstdint>
#include <functional>

#include "model/kernels/cpu/table.h"

namespace afina::model::kernels {

/// Panels of kPanel columns: [panels(n)][k][kPanel], tail columns zero.
inline int64_t panels(int64_t n) {
  return (n + kPanel - 1) / kPanel;
}
inline int64_t packed_floats(int64_t k, int64_t n) {
  return panels(n) * k * kPanel;
}

/// Packs B[k, n] = source[k*row_stride + n*column_stride], one of the strides 1, for panels [first, last) into packed
/// (the whole array's start).
void pack_b(const float* source, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n, float* packed,
            int64_t first, int64_t last);
/// B[row, 0..n) back out of the panels.
void unpack_row(const float* packed, int64_t k, int64_t n, int64_t row, float* out);
/// B[0..k, column) back out of the panels.
void unpack_column(const float* packed, int64_t k, int64_t column, float* out);

/// bf16 panels: [panels(n)][ceil(k/2)][kPanel][2], two depths beside each other; an odd k ends with zeros.
inline int64_t packed_bf16(int64_t k, int64_t n) {
  return panels(n) * ((k + 1) / 2) * 2 * kPanel;
}
/// pack_b for bf16: values rounded to nearest even, NaN kept.
void pack_b_bf16(const float* source, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n, uint16_t* packed,
                 int64_t first, int64_t last);
void unpack_column_bf16(const uint16_t* packed, int64_t k, int64_t column, float* out);

/// Rows [k0, k0 + count) of panel `to` of the transposed matrix, from the panels of B[k, n]: to[o][j] = B[panel*kPanel
/// + j, o] for o from k0. k0 is a multiple of kPanel; columns beyond k become zero.
void transpose_panel(const float* packed, int64_t k, int64_t n, int64_t panel, int64_t k0, int64_t count, float* to,
                     const KernelTable& isa = table());
void transpose_panel_bf16(const uint16_t* packed, int64_t k, int64_t n, int64_t panel, int64_t k0, int64_t count,
                          uint16_t* to, const KernelTable& isa = table());

template <typename Element>
struct GemmOf {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;  ///< A[i, j] = a[i*a_row + j*a_col]; bf16: a_col is 1
  int64_t a_row = 0, a_col = 1;
  const Element* b = nullptr;  ///< packed
  int64_t b_depth = 0;         ///< rows of each packed panel, k or more; 0 = k
  float* c = nullptr;
  int64_t ldc = 0;
  bool accumulate = false;
};
using Gemm = GemmOf<float>;
using GemmBf16 = GemmOf<uint16_t>;

int64_t gemm_units(const Gemm& g);
int64_t gemm_units_bf16(const GemmBf16& g);
/// Units [begin, end); every unit writes its own part of C. Uses a thread-local buffer of at most 0.8 MB.
void gemm(const Gemm& g, int64_t begin, int64_t end, const KernelTable& isa = table());
void gemm_bf16(const GemmBf16& g, int64_t begin, int64_t end, const KernelTable& isa = table());
/// All of it in this thread.
inline void gemm(const Gemm& g, const KernelTable& isa = table()) {
  gemm(g, 0, gemm_units(g), isa);
}
inline void gemm_bf16(const GemmBf16& g, const KernelTable& isa = table()) {
  gemm_bf16(g, 0, gemm_units_bf16(g), isa);
}

/// Writes rows [k0, k0 + count) of one panel of B; k0 is a multiple of kPanel.
template <typename Element>
using MakePanel = std::function<void(int64_t panel, int64_t k0, int64_t count, Element* to)>;
/// Panels [first, last) of a product whose right-hand side is made block by block while it is used (g.b is ignored):
/// the same bits as over stored panels. Uses thread-local buffers of at most 2.4 MB.
void gemm_made(const Gemm& g, const MakePanel<float>& make, int64_t first, int64_t last,
               const KernelTable& isa = table());
void gemm_made_bf16(const GemmBf16& g, const MakePanel<uint16_t>& make, int64_t first, int64_t last,
                    const KernelTable& isa = table());

}  // namespace afina::model::kernels
