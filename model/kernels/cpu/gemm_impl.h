// SPDX-License-Identifier: Apache-2.0
// Register tiles of the matrix product, included by the isa_*.cpp files only. 14x32 on AVX-512 (28 accumulators of 32
// registers), 6x16 on AVX2 (12 of 16), as in BLIS's micro-kernels (Van Zee and van de Geijn, 2015).
#pragma once
#include <type_traits>

#include "model/kernels/cpu/table.h"
#include "model/kernels/cpu/vec_impl.h"

namespace {

using afina::model::kernels::kPanel;
using afina::model::kernels::Tile;

constexpr int kVectors = 2;  // of a register tile's width
constexpr int kTileRows = kLanes == 16 ? 14 : 6;
constexpr int kTileColumns = kVectors * kLanes;

/// Lines of C come from far away: asked for before the sum is made, they are there when it is stored.
template <int MR, int NV>
inline void prefetch_rows(const float* c, int64_t ldc) {
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i)
    for (int v = 0; v < NV; ++v)
      __builtin_prefetch(c + i * ldc + v * kLanes, 1);
}

template <int MR, int NV>
inline void store_rows(RegVec (&acc)[MR][NV], float* c, int64_t ldc, int n_columns, bool accumulate) {
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
    float* row = c + i * ldc;
    for (int v = 0; v < NV; ++v) {
      float* out = row + v * kLanes;
      const int left = n_columns - v * kLanes;
      if (left >= kLanes) {
        store(out, accumulate ? load(out) + acc[i][v] : acc[i][v]);
      } else if (left > 0) {
        store_tail(out, accumulate ? load_tail(out, left, 0.0F) + acc[i][v] : acc[i][v], left);
      }
    }
  }
}

/// NV vectors of columns: one where no more are wanted, as in products of rank 16.
template <int MR, int NV>
inline void tile_columns(const Tile& t, const float* b, float* c, int n_columns) {
  prefetch_rows<MR, NV>(c, t.ldc);
  RegVec acc[MR][NV] = {};
  const float* a = t.a;
  for (int64_t k = 0; k < t.k; ++k) {
    RegVec columns[NV];
    for (int v = 0; v < NV; ++v)
      columns[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const RegVec ai = splat(a[i]);
      for (int v = 0; v < NV; ++v)
        acc[i][v] += ai * columns[v];
    }
    a += MR;
    b += kPanel;
  }
  store_rows<MR, NV>(acc, c, t.ldc, n_columns, t.accumulate);
}

template <int MR>
void tile_rows(const Tile& t) {
  for (int column = 0; column < t.n_columns; column += kTileColumns) {
    const int left = t.n_columns - column;
    if (left > kLanes) {
      tile_columns<MR, kVectors>(t, t.b + column, t.c + column, left);
    } else {
      tile_columns<MR, 1>(t, t.b + column, t.c + column, left);
    }
  }
}

/// f with the number of rows as a constant.
template <typename F>
inline void with_rows(int mr, F f) {
  switch (mr) {
    case 1:
      return f(std::integral_constant<int, 1>());
    case 2:
      return f(std::integral_constant<int, 2>());
    case 3:
      return f(std::integral_constant<int, 3>());
    case 4:
      return f(std::integral_constant<int, 4>());
    case 5:
      return f(std::integral_constant<int, 5>());
    case 6:
      return f(std::integral_constant<int, 6>());
#if defined(__AVX512F__)
    case 7:
      return f(std::integral_constant<int, 7>());
    case 8:
      return f(std::integral_constant<int, 8>());
    case 9:
      return f(std::integral_constant<int, 9>());
    case 10:
      return f(std::integral_constant<int, 10>());
    case 11:
      return f(std::integral_constant<int, 11>());
    case 12:
      return f(std::integral_constant<int, 12>());
    case 13:
      return f(std::integral_constant<int, 13>());
    case 14:
      return f(std::integral_constant<int, 14>());
#endif
  }
}

void tile(int mr, const Tile& t) {
  with_rows(mr, [&t](auto rows) { tile_rows<decltype(rows)::value>(t); });
}

/// Columns [0, k) of MR rows, transposed in registers. Each store is a whole vector: the next one, or the next
/// tile, writes over what is too much.
template <int MR, typename Load>
void pack_rows(int64_t a_row, int64_t k, float* out, Load value) {
  constexpr int kHeight = (MR + kLanes - 1) / kLanes;  // squares beside each other
  int64_t j = 0;
  for (; j + kLanes <= k; j += kLanes) {
    for (int s = 0; s < kHeight; ++s) {
      RegVec rows[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i)
        rows[i] = s * kLanes + i < MR ? value((s * kLanes + i) * a_row + j) : RegVec{};
      transpose_square(rows);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        if ((s + 1) * kLanes <= MR || kHeight == 1) {
          store(out + (j + i) * MR + s * kLanes, rows[i]);
        } else {
          store_tail(out + (j + i) * MR + s * kLanes, rows[i], MR - s * kLanes);
        }
      }
    }
  }
}

void pack_a(const float* a, int64_t a_row, int64_t a_col, int mr, int64_t k, float* out) {
  int64_t j = 0;
  if (a_col == 1) {
    j = whole(k);
    with_rows(mr, [&](auto rows) {
      pack_rows<decltype(rows)::value>(a_row, k, out, [a](int64_t at) { return load(a + at); });
    });
  }
  if (a_row == 1) {
    with_rows(mr, [&](auto rows) {
      constexpr int kRows = decltype(rows)::value;
      for (; j < k; ++j)
        std::memcpy(out + j * kRows, a + j * a_col, kRows * sizeof(float));
    });
  }
  for (; j < k; ++j)
    for (int i = 0; i < mr; ++i)
      out[j * mr + i] = a[i * a_row + j * a_col];
}

void transpose(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to, int64_t to_stride) {
  const int64_t row_end = whole(rows), column_end = whole(columns);
  for (int64_t c = 0; c < column_end; c += kLanes)
    for (int64_t r = 0; r < row_end; r += kLanes) {
      RegVec square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i)
        square[i] = load(from + (r + i) * from_stride + c);
      transpose_square(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i)
        store(to + (c + i) * to_stride + r, square[i]);
    }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = r < row_end ? column_end : 0; c < columns; ++c)
      to[c * to_stride + r] = from[r * from_stride + c];
}

}  // namespace
