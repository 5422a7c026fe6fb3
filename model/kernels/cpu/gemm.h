// SPDX-License-Identifier: Apache-2.0
// fp32 matrix product over panel-packed right-hand sides: C = A B (+ C). Blocked as Goto and van de Geijn (2008): the
// panel streams from cache, a block of A is packed per thread. No threads here: units of work are numbered, callers
// split the range. Each output element is summed in one fixed order, so results depend neither on the number of rows
// nor on the split.
#pragma once
#include <cstdint>

#include "model/kernels/cpu/table.h"

namespace afina::model::kernels {

/// Panels of kPanel columns: [panels(n)][k][kPanel], tail columns zero.
inline int64_t panels(int64_t n) {
  return (n + kPanel - 1) / kPanel;
}
inline int64_t packed_floats(int64_t k, int64_t n) {
  return panels(n) * k * kPanel;
}

/// Packs B[k, n] = source[k*row_stride + n*column_stride] for panels [first, last) into packed (the whole array's
/// start).
void pack_b(const float* source, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n, float* packed,
            int64_t first, int64_t last);
/// B[row, 0..n) back out of the panels.
void unpack_row(const float* packed, int64_t k, int64_t n, int64_t row, float* out);
/// B[0..k, column) back out of the panels.
void unpack_column(const float* packed, int64_t k, int64_t column, float* out);

struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;  ///< A[i, j] = a[i*a_row + j*a_col]
  int64_t a_row = 0, a_col = 1;
  const float* b = nullptr;  ///< packed
  int64_t b_depth = 0;       ///< rows of each packed panel, k or more; 0 = k
  float* c = nullptr;
  int64_t ldc = 0;
  bool accumulate = false;
};

int64_t gemm_units(const Gemm& g, const KernelTable& isa = table());
/// Units [begin, end); every unit writes its own part of C. Uses a thread-local buffer of at most 0.6 MB.
void gemm(const Gemm& g, int64_t begin, int64_t end, const KernelTable& isa = table());
/// All of it in this thread.
inline void gemm(const Gemm& g, const KernelTable& isa = table()) {
  gemm(g, 0, gemm_units(g, isa), isa);
}

}  // namespace afina::model::kernels
