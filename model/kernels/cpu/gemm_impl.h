// SPDX-License-Identifier: Apache-2.0
// Register tiles of the matrix product, included by the isa_*.cpp files only. 14x32 on AVX-512 (28 accumulators of 32
// registers), 6x16 on AVX2 (12 of 16), as in BLIS's micro-kernels (Van Zee and van de Geijn, 2015).
#pragma once
#include "model/kernels/cpu/table.h"
#include "model/kernels/cpu/vec_impl.h"

namespace {

using afina::model::kernels::kPanel;
using afina::model::kernels::Tile;

constexpr int kVectors = 2;  // of a register tile's width
constexpr int kTileRows = kLanes == 16 ? 14 : 6;
constexpr int kTileColumns = kVectors * kLanes;

template <int MR>
inline void tile_columns(const Tile& t, const float* b, float* c, int n_columns) {
  RegVec acc[MR][kVectors] = {};
  const float* a = t.a;
  for (int64_t k = 0; k < t.k; ++k) {
    const RegVec b0 = load(b), b1 = load(b + kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const RegVec ai = splat(a[i]);
      acc[i][0] += ai * b0;
      acc[i][1] += ai * b1;
    }
    a += MR;
    b += kPanel;
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
    float* row = c + i * t.ldc;
    for (int v = 0; v < kVectors; ++v) {
      float* out = row + v * kLanes;
      const int left = n_columns - v * kLanes;
      if (left >= kLanes) {
        store(out, t.accumulate ? load(out) + acc[i][v] : acc[i][v]);
      } else if (left > 0) {
        store_tail(out, t.accumulate ? load_tail(out, left, 0.0F) + acc[i][v] : acc[i][v], left);
      }
    }
  }
}

template <int MR>
void tile_rows(const Tile& t) {
  for (int column = 0; column < t.n_columns; column += kTileColumns)
    tile_columns<MR>(t, t.b + column, t.c + column, t.n_columns - column);
}

void tile(int mr, const Tile& t) {
  switch (mr) {
    case 1:
      return tile_rows<1>(t);
    case 2:
      return tile_rows<2>(t);
    case 3:
      return tile_rows<3>(t);
    case 4:
      return tile_rows<4>(t);
    case 5:
      return tile_rows<5>(t);
    case 6:
      return tile_rows<6>(t);
#if defined(__AVX512F__)
    case 7:
      return tile_rows<7>(t);
    case 8:
      return tile_rows<8>(t);
    case 9:
      return tile_rows<9>(t);
    case 10:
      return tile_rows<10>(t);
    case 11:
      return tile_rows<11>(t);
    case 12:
      return tile_rows<12>(t);
    case 13:
      return tile_rows<13>(t);
    case 14:
      return tile_rows<14>(t);
#endif
  }
}

template <int MR>
void pack_rows(const float* a, int64_t a_row, int64_t a_col, int64_t k, float* out) {
  if (a_row == 1) {
    for (int64_t j = 0; j < k; ++j, out += MR)
      for (int i = 0; i < MR; ++i)
        out[i] = a[j * a_col + i];
    return;
  }
  for (int64_t j = 0; j < k; ++j, out += MR)
    for (int i = 0; i < MR; ++i)
      out[i] = a[i * a_row + j * a_col];
}

void pack_a(const float* a, int64_t a_row, int64_t a_col, int mr, int64_t k, float* out) {
  if (mr == kTileRows) return pack_rows<kTileRows>(a, a_row, a_col, k, out);
  for (int64_t j = 0; j < k; ++j, out += mr)
    for (int i = 0; i < mr; ++i)
      out[i] = a[i * a_row + j * a_col];
}

}  // namespace
