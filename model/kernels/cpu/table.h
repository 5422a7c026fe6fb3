// SPDX-License-Identifier: Apache-2.0
// The hot loops that are compiled once per instruction set (AVX-512 with and without BF16, AVX2, plain), and the choice
// between them at run time. Plain pointers, fp32, no LibTorch, no threads: callers split the rows. Twins in
// reference.h, parity tests in tests/model.
#pragma once
#include <cstdint>

namespace afina::model::kernels {

inline constexpr int kPanel = 32;    ///< columns of a packed panel
inline constexpr int kMaxTile = 16;  ///< no instruction set uses taller register tiles

/// C tile [mr, kPanel] = A tile * B panel (+ C). a is packed [k][mr], b is one panel [k][kPanel]; columns beyond
/// n_columns are not stored. Every element is one chain of additions in the order of k, whatever mr is.
struct Tile {
  int64_t k;
  const float* a;
  const float* b;
  float* c;
  int64_t ldc;
  int n_columns;
  bool accumulate;
};

/// The same over bf16: a as pack_a_bf16 leaves it, b one panel [pairs][kPanel][2]. Of each pair the odd depth is added
/// first.
struct TileBf16 {
  int64_t pairs;
  const float* a;
  const uint16_t* b;
  float* c;
  int64_t ldc;
  int n_columns;
  bool accumulate;
};

struct KernelTable {
  const char* name;
  int tile_rows;  ///< tallest tile of this instruction set
  void (*tile)(int mr, const Tile& tile);
  /// out[k*mr + i] = a[i*a_row + k*a_col]. May write up to kMaxTile floats too many.
  void (*pack_a)(const float* a, int64_t a_row, int64_t a_col, int mr, int64_t k, float* out);
  bool native_bf16;      ///< VDPBF16PS; else the same roundings over fp32 FMA
  int bf16_pair_floats;  ///< floats that pack_a_bf16 fills for two depths of one row
  void (*tile_bf16)(int mr, const TileBf16& tile);
  /// Rounds to bf16; an odd k is filled up with zero. Layout as tile_bf16 wants it; may write up to kMaxTile floats too
  /// many.
  void (*pack_a_bf16)(const float* a, int64_t a_row, int mr, int64_t k, float* out);
  /// to[c*to_stride + r] = from[r*from_stride + c]
  void (*transpose)(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                    int64_t to_stride);
  /// One square of kPanel x kPanel values in pairs: to[j/2][i][j%2] = from[i/2][j][i%2].
  void (*transpose_bf16)(const uint16_t* from, uint16_t* to);

  /// y = x * rstd * w, returns rstd = 1/sqrt(mean(x^2) + eps).
  float (*rms_forward)(const float* x, const float* w, float* y, int64_t n, float eps);
  /// y = x * rstd * w with a known rstd.
  void (*rms_apply)(const float* x, const float* w, float rstd, float* y, int64_t n);
  /// dx += rstd * (w*dy - x * rstd^2 * mean(w*dy*x)).
  void (*rms_backward)(const float* dy, const float* x, const float* w, float rstd, float* dx, int64_t n);
  /// Rotates one head in place: halves (x1, x2) -> (x1*c - x2*s, x2*c + x1*s); half = head_dim/2.
  void (*rope)(float* x, const float* cos, const float* sin, int64_t half);
  /// The transpose of rope().
  void (*rope_inverse)(float* x, const float* cos, const float* sin, int64_t half);
  /// h = silu(gate) * up.
  void (*swiglu_forward)(const float* gate, const float* up, float* h, int64_t n);
  /// d_gate = dh*up*silu'(gate), d_up = dh*silu(gate). d_gate, d_up may be gate, up.
  void (*swiglu_backward)(const float* gate, const float* up, const float* dh, float* d_gate, float* d_up, int64_t n);
  float (*max)(const float* x, int64_t n);
  /// x = exp(x*scale - shift), returns the sum. Inputs below the smallest normal give 0.
  float (*exp_sum)(float* x, int64_t n, float scale, float shift);
  /// Sum of exp(x - shift) in double, x unchanged.
  double (*sum_exp)(const float* x, int64_t n, float shift);
  /// x = exp(x - shift), returns the sum in double.
  double (*exp_sum_wide)(float* x, int64_t n, float shift);
  /// Sum of exp(x - shift) * (x - shift) in double, x unchanged: for entropies.
  double (*sum_exp_weighted)(const float* x, int64_t n, float shift);
  /// Sum of a*b.
  float (*dot)(const float* a, const float* b, int64_t n);
  /// y += f*x.
  void (*axpy)(float* y, const float* x, float f, int64_t n);
  /// y *= f.
  void (*scale)(float* y, float f, int64_t n);
  /// ds = p * (ds - d) * scale: scores' gradient from probabilities and dP, in place.
  void (*softmax_backward)(const float* p, float* ds, float d, float scale, int64_t n);
};

enum class Isa { generic, avx2, avx512, avx512_bf16 };

/// True where this processor has it.
bool has(Isa isa);
/// The table of one instruction set, for parity tests. InternalError where the processor lacks it.
const KernelTable& table(Isa isa);
/// The best one here, chosen once.
const KernelTable& table();

}  // namespace afina::model::kernels
