// SPDX-License-Identifier: Apache-2.0
#include "model/kernels/cpu/gemm.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "model/kernels/cpu/scratch.h"

namespace afina::model::kernels {
namespace {

constexpr int64_t kBlockRows = 280;          // rows of A packed together: 0.7 MB with the depth below, in L2
constexpr int64_t kBlockPairs = 320;         // depth of a packed block in units of one row (fp32: two) of 128 bytes
constexpr int64_t kMadeBytes = 1536 * 1024;  // panels made at one time by one thread

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
  Rows(int64_t m, int tile_rows) : tiles{m, divide_up(m, tile_rows)}, blocks{tiles.parts, divide_up(m, kBlockRows)} {}
};

/// Depths in parts of whole squares of kPanel, the same for stored and for made panels.
struct Depth {
  int64_t k;
  Even squares;
  Depth(int64_t depth, int64_t largest)
      : k(depth), squares{divide_up(depth, kPanel), std::max<int64_t>(1, divide_up(depth, largest))} {}
  int64_t parts() const { return squares.parts; }
  int64_t begin(int64_t part) const { return std::min(k, squares.begin(part) * kPanel); }
  int64_t longest() const { return divide_up(squares.n, squares.parts) * kPanel; }
};

struct Fp32 {
  using Element = float;
  static constexpr int64_t kDepth = 2 * kBlockPairs;
  /// Floats of packed A for so many rows and depths.
  static int64_t packed_a(const KernelTable&, int64_t rows, int64_t k) { return rows * k; }
  static int64_t panel(int64_t k) { return k * kPanel; }
  static void pack(const Gemm& g, int64_t row, int rows, int64_t k0, int64_t k, float* out, const KernelTable& isa) {
    isa.pack_a(g.a + row * g.a_row + k0 * g.a_col, g.a_row, g.a_col, rows, k, out);
  }
  static void tile(int rows, int64_t k, const float* a, const float* b, float* c, int64_t ldc, int columns,
                   bool accumulate, const KernelTable& isa) {
    isa.tile(rows, {k, a, b, c, ldc, columns, accumulate});
  }
};

struct Bf16 {
  using Element = uint16_t;
  static constexpr int64_t kDepth = 4 * kBlockPairs;
  static int64_t packed_a(const KernelTable& isa, int64_t rows, int64_t k) {
    return rows * ((k + 1) / 2) * isa.bf16_pair_floats;
  }
  static int64_t panel(int64_t k) { return (k + 1) / 2 * 2 * kPanel; }
  static void pack(const GemmBf16& g, int64_t row, int rows, int64_t k0, int64_t k, float* out,
                   const KernelTable& isa) {
    isa.pack_a_bf16(g.a + row * g.a_row + k0, g.a_row, rows, k, out);
  }
  static void tile(int rows, int64_t k, const float* a, const uint16_t* b, float* c, int64_t ldc, int columns,
                   bool accumulate, const KernelTable& isa) {
    isa.tile_bf16(rows, {(k + 1) / 2, a, b, c, ldc, columns, accumulate});
  }
};

/// Rows of one block, packed tile by tile.
template <typename T>
class PackedRows {
 public:
  PackedRows(const Rows& rows, int64_t block, const Depth& depth, const KernelTable& isa)
      : rows_(rows), tile0_(rows.blocks.begin(block)), tile1_(rows.blocks.begin(block + 1)), isa_(isa) {
    thread_local Scratch scratch;
    const int64_t n = rows.tiles.begin(tile1_) - rows.tiles.begin(tile0_);
    data_ = scratch.get(T::packed_a(isa, n, depth.longest()) + kMaxTile);
  }
  void pack(const GemmOf<typename T::Element>& g, int64_t k0, int64_t k) {
    k_ = k;
    for (int64_t t = tile0_; t < tile1_; ++t)
      T::pack(g, rows_.tiles.begin(t), height(t), k0, k, place(t), isa_);
  }
  /// C of one panel.
  void multiply(const GemmOf<typename T::Element>& g, int64_t panel, const typename T::Element* b,
                bool accumulate) const {
    const int columns = static_cast<int>(std::min<int64_t>(kPanel, g.n - panel * kPanel));
    for (int64_t t = tile0_; t < tile1_; ++t)
      T::tile(height(t), k_, place(t), b, g.c + rows_.tiles.begin(t) * g.ldc + panel * kPanel, g.ldc, columns,
              accumulate, isa_);
  }

 private:
  int height(int64_t t) const { return static_cast<int>(rows_.tiles.begin(t + 1) - rows_.tiles.begin(t)); }
  float* place(int64_t t) const {
    return data_ + T::packed_a(isa_, rows_.tiles.begin(t) - rows_.tiles.begin(tile0_), k_);
  }
  const Rows& rows_;
  int64_t tile0_, tile1_, k_ = 0;
  const KernelTable& isa_;
  float* data_;
};

/// Panels [first, last) of one block of rows.
template <typename T>
void run_block(const GemmOf<typename T::Element>& g, const Rows& rows, int64_t block, int64_t first, int64_t last,
               const KernelTable& isa) {
  const int64_t panel = T::panel(g.b_depth > 0 ? g.b_depth : g.k);
  const Depth depth(g.k, T::kDepth);
  PackedRows<T> packed(rows, block, depth, isa);
  for (int64_t part = 0; part < depth.parts(); ++part) {
    const int64_t k0 = depth.begin(part);
    packed.pack(g, k0, depth.begin(part + 1) - k0);
    for (int64_t p = first; p < last; ++p)
      packed.multiply(g, p, g.b + p * panel + k0 * kPanel, g.accumulate || part > 0);
  }
}

template <typename T>
void run(const GemmOf<typename T::Element>& g, int64_t begin, int64_t end, const KernelTable& isa) {
  if (g.m <= 0 || g.n <= 0) return;
  const Rows rows(g.m, isa.tile_rows);
  const int64_t width = panels(g.n);
  while (begin < end) {
    const int64_t block = begin / width, first = begin % width;
    const int64_t last = std::min(width, first + end - begin);
    run_block<T>(g, rows, block, first, last, isa);
    begin += last - first;
  }
}

template <typename T>
void run_made(const GemmOf<typename T::Element>& g, const MakePanel<typename T::Element>& make, int64_t first,
              int64_t last, const KernelTable& isa) {
  if (g.m <= 0 || g.n <= 0 || first >= last) return;
  using Element = typename T::Element;
  thread_local Scratch scratch;
  const Rows rows(g.m, isa.tile_rows);
  const Depth depth(g.k, T::kDepth);
  const int64_t panel = T::panel(depth.longest());
  const int64_t group =
      std::clamp<int64_t>(kMadeBytes / (panel * static_cast<int64_t>(sizeof(Element))), 1, last - first);
  auto* made = reinterpret_cast<Element*>(scratch.get(group * panel * static_cast<int64_t>(sizeof(Element)) / 4));
  for (int64_t part = 0; part < depth.parts(); ++part) {
    const int64_t k0 = depth.begin(part), k = depth.begin(part + 1) - k0;
    for (int64_t p0 = first; p0 < last; p0 += group) {
      const int64_t p1 = std::min(last, p0 + group);
      for (int64_t p = p0; p < p1; ++p)
        make(p, k0, k, made + (p - p0) * panel);
      for (int64_t block = 0; block < rows.blocks.parts; ++block) {
        PackedRows<T> packed(rows, block, depth, isa);
        packed.pack(g, k0, k);
        for (int64_t p = p0; p < p1; ++p)
          packed.multiply(g, p, made + (p - p0) * panel, g.accumulate || part > 0);
      }
    }
  }
}

uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 64U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
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
    table().transpose(from, column_stride, columns, k, panel, kPanel);
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

void pack_b_bf16(const float* source, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n, uint16_t* packed,
                 int64_t first, int64_t last) {
  for (int64_t p = first; p < last; ++p) {
    uint16_t* panel = packed + p * Bf16::panel(k);
    const int64_t columns = std::min<int64_t>(kPanel, n - p * kPanel);
    const float* from = source + p * kPanel * column_stride;
    std::memset(panel, 0, static_cast<size_t>(Bf16::panel(k)) * sizeof(uint16_t));
    constexpr int64_t kStep = 16;
    for (int64_t i0 = 0; i0 < k; i0 += kStep)
      for (int64_t j = 0; j < columns; ++j)
        for (int64_t i = i0; i < std::min(k, i0 + kStep); ++i)
          panel[(i / 2 * kPanel + j) * 2 + i % 2] = to_bf16(from[i * row_stride + j * column_stride]);
  }
}

void unpack_column_bf16(const uint16_t* packed, int64_t k, int64_t column, float* out) {
  const uint16_t* from = packed + column / kPanel * Bf16::panel(k) + column % kPanel * 2;
  for (int64_t i = 0; i < k; ++i)
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(from[i / 2 * 2 * kPanel + i % 2]) << 16);
}

void transpose_panel(const float* packed, int64_t k, int64_t n, int64_t panel, int64_t k0, int64_t count, float* to,
                     const KernelTable& isa) {
  const int64_t first = panel * kPanel, columns = std::min<int64_t>(kPanel, k - first);
  if (columns < kPanel) std::memset(to, 0, static_cast<size_t>(count) * kPanel * sizeof(float));
  for (int64_t o = k0; o < k0 + count; o += kPanel)
    isa.transpose(packed + (o / kPanel * k + first) * kPanel, kPanel, columns, std::min<int64_t>(kPanel, n - o),
                  to + (o - k0) * kPanel, kPanel);
}

void transpose_panel_bf16(const uint16_t* packed, int64_t k, int64_t n, int64_t panel, int64_t k0, int64_t count,
                          uint16_t* to, const KernelTable& isa) {
  const int64_t first = panel * kPanel, columns = std::min<int64_t>(kPanel, k - first);
  if (columns < kPanel || count % 2 != 0)
    std::memset(to, 0, static_cast<size_t>(Bf16::panel(count)) * sizeof(uint16_t));
  for (int64_t o = k0; o < k0 + count; o += kPanel) {
    const uint16_t* from = packed + o / kPanel * Bf16::panel(k) + first * kPanel;
    uint16_t* out = to + (o - k0) * kPanel;
    const int64_t outputs = std::min<int64_t>(kPanel, n - o);
    if (columns == kPanel && outputs == kPanel) {
      isa.transpose_bf16(from, out);
      continue;
    }
    for (int64_t j = 0; j < outputs; ++j)
      for (int64_t i = 0; i < columns; ++i)
        out[(j / 2 * kPanel + i) * 2 + j % 2] = from[(i / 2 * kPanel + j) * 2 + i % 2];
  }
}

int64_t gemm_units(const Gemm& g) {
  return g.m <= 0 || g.n <= 0 ? 0 : divide_up(g.m, kBlockRows) * panels(g.n);
}
int64_t gemm_units_bf16(const GemmBf16& g) {
  return g.m <= 0 || g.n <= 0 ? 0 : divide_up(g.m, kBlockRows) * panels(g.n);
}
void gemm(const Gemm& g, int64_t begin, int64_t end, const KernelTable& isa) {
  run<Fp32>(g, begin, end, isa);
}
void gemm_bf16(const GemmBf16& g, int64_t begin, int64_t end, const KernelTable& isa) {
  run<Bf16>(g, begin, end, isa);
}
void gemm_made(const Gemm& g, const MakePanel<float>& make, int64_t first, int64_t last, const KernelTable& isa) {
  run_made<Fp32>(g, make, first, last, isa);
}
void gemm_made_bf16(const GemmBf16& g, const MakePanel<uint16_t>& make, int64_t first, int64_t last,
                    const KernelTable& isa) {
  run_made<Bf16>(g, make, first, last, isa);
}

}  // namespace afina::model::kernels
