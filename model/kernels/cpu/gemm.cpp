// SPDX-License-Identifier: Apache-2.0
#include "model/kernels/cpu/gemm.h"

#include <algorithm>
#include <cstring>

#include "model/kernels/cpu/scratch.h"

namespace afina::model::kernels {
namespace {

constexpr int64_t kBlockTiles = 12;  // tiles of A packed together: 168 rows on AVX-512
constexpr int64_t kBlockDepth =
    576;  // depth of a packed block: a panel's slice is 74 KB, a block of A 387 KB, both in L2

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Parts of [0, n) whose sizes differ by at most one.
struct Even {
  int64_t n, parts;
  int64_t begin(int64_t part) const { return part * (n / parts) + std::min(part, n % parts); }
};

struct Rows {
  Even tiles;   // rows -> tiles
  Even blocks;  // tiles -> blocks
  Rows(int64_t m, int tile_rows)
      : tiles{m, divide_up(m, tile_rows)}, blocks{tiles.parts, divide_up(tiles.parts, kBlockTiles)} {}
};

/// Panels [first, last) of one block of rows.
void run_block(const Gemm& g, const Rows& rows, int64_t block, int64_t first, int64_t last, const KernelTable& isa) {
  thread_local Scratch scratch;
  const int64_t b_depth = g.b_depth > 0 ? g.b_depth : g.k;
  const Even depth{g.k, std::max<int64_t>(1, divide_up(g.k, kBlockDepth))};
  const int64_t tile0 = rows.blocks.begin(block), tile1 = rows.blocks.begin(block + 1);
  const int64_t row0 = rows.tiles.begin(tile0), row1 = rows.tiles.begin(tile1);
  float* packed = scratch.get((row1 - row0) * std::max<int64_t>(1, divide_up(g.k, depth.parts)));
  for (int64_t part = 0; part < depth.parts; ++part) {
    const int64_t k0 = depth.begin(part), k = depth.begin(part + 1) - k0;
    for (int64_t t = tile0; t < tile1; ++t) {
      const int64_t row = rows.tiles.begin(t);
      isa.pack_a(g.a + row * g.a_row + k0 * g.a_col, g.a_row, g.a_col, static_cast<int>(rows.tiles.begin(t + 1) - row),
                 k, packed + (row - row0) * k);
    }
    for (int64_t p = first; p < last; ++p) {
      const float* b = g.b + (p * b_depth + k0) * kPanel;
      const int columns = static_cast<int>(std::min<int64_t>(kPanel, g.n - p * kPanel));
      for (int64_t t = tile0; t < tile1; ++t) {
        const int64_t row = rows.tiles.begin(t);
        isa.tile(static_cast<int>(rows.tiles.begin(t + 1) - row),
                 {k, packed + (row - row0) * k, b, g.c + row * g.ldc + p * kPanel, g.ldc, columns,
                  g.accumulate || part > 0});
      }
    }
  }
}

}  // namespace

void pack_b(const float* source, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n, float* packed,
            int64_t first, int64_t last) {
  for (int64_t p = first; p < last; ++p) {
    float* panel = packed + p * k * kPanel;
    const int64_t columns = std::min<int64_t>(kPanel, n - p * kPanel);
    const float* from = source + p * kPanel * column_stride;
    if (columns < kPanel) std::memset(panel, 0, static_cast<size_t>(k) * kPanel * sizeof(float));
    if (column_stride == 1) {
      for (int64_t i = 0; i < k; ++i)
        std::memcpy(panel + i * kPanel, from + i * row_stride, static_cast<size_t>(columns) * sizeof(float));
      continue;
    }
    constexpr int64_t kStep = 16;  // keeps the source's cache lines until they are used up
    for (int64_t i0 = 0; i0 < k; i0 += kStep)
      for (int64_t j = 0; j < columns; ++j)
        for (int64_t i = i0; i < std::min(k, i0 + kStep); ++i)
          panel[i * kPanel + j] = from[i * row_stride + j * column_stride];
  }
}

void unpack_row(const float* packed, int64_t k, int64_t n, int64_t row, float* out) {
  for (int64_t p = 0; p < panels(n); ++p)
    std::memcpy(out + p * kPanel, packed + (p * k + row) * kPanel,
                static_cast<size_t>(std::min<int64_t>(kPanel, n - p * kPanel)) * sizeof(float));
}

void unpack_column(const float* packed, int64_t k, int64_t column, float* out) {
  const float* from = packed + column / kPanel * k * kPanel + column % kPanel;
  for (int64_t i = 0; i < k; ++i)
    out[i] = from[i * kPanel];
}

int64_t gemm_units(const Gemm& g, const KernelTable& isa) {
  if (g.m <= 0 || g.n <= 0) return 0;
  return Rows(g.m, isa.tile_rows).blocks.parts * panels(g.n);
}

void gemm(const Gemm& g, int64_t begin, int64_t end, const KernelTable& isa) {
  if (g.m <= 0 || g.n <= 0) return;
  const Rows rows(g.m, isa.tile_rows);
  const int64_t width = panels(g.n);
  while (begin < end) {
    const int64_t block = begin / width, first = begin % width;
    const int64_t last = std::min(width, first + end - begin);
    run_block(g, rows, block, first, last, isa);
    begin += last - first;
  }
}

}  // namespace afina::model::kernels
