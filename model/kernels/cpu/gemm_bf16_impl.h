// SPDX-License-Identifier: Apache-2.0
// Register tiles of the bf16 product, included by the isa_*.cpp files only: VDPBF16PS over pairs of depths where the
// instruction set has it, else both values of a pair widened to fp32 and added in its order, the odd one first.
#pragma once
#include "model/kernels/cpu/gemm_impl.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace {

using afina::model::kernels::TileBf16;

inline IVec bits_of(RegVec v) {
  IVec bits;
  std::memcpy(&bits, &v, sizeof(bits));
  return bits;
}
inline RegVec from_bits(IVec bits) {
  RegVec v;
  std::memcpy(&v, &bits, sizeof(v));
  return v;
}
inline IVec load_pairs(const uint16_t* p) {
  IVec bits;
  std::memcpy(&bits, p, sizeof(bits));
  return bits;
}

constexpr int32_t kHigh = static_cast<int32_t>(0xFFFF0000U), kSign = static_cast<int32_t>(0x80000000U);

/// To the nearest bf16 (even), as fp32; what is below the smallest normal becomes zero, as VCVTNE2PS2BF16 does.
inline RegVec round_bf16(RegVec v) {
  const IVec bits = bits_of(v), magnitude = bits & ~kSign;
  const IVec nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) & kHigh;
  const IVec finite = magnitude < 0x00800000 ? bits & kSign : nearest;
  return from_bits(magnitude > 0x7F800000 ? (bits & kHigh) | 0x00400000 : finite);
}
inline float round_bf16(float value) {
  RegVec v = splat(value);
  v = round_bf16(v);
  return v[0];
}

#if defined(__AVX512BF16__)

constexpr bool kNativeBf16 = true;
constexpr int kPairFloats = 1;

template <int MR>
inline void multiply_pairs(RegVec (&acc)[MR][kVectors], int64_t pairs, const float* a, const uint16_t* b) {
  for (int64_t p = 0; p < pairs; ++p, a += MR, b += 2 * kPanel) {
    const auto b0 = (__m512bh)load_pairs(b), b1 = (__m512bh)load_pairs(b + 2 * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const auto ai = (__m512bh)bits_of(splat(a[i]));
      acc[i][0] = _mm512_dpbf16_ps(acc[i][0], ai, b0);
      acc[i][1] = _mm512_dpbf16_ps(acc[i][1], ai, b1);
    }
  }
}

/// out[pair*mr + i]: two rounded values in the bits of a float.
template <int MR>
void pack_pairs(const float* a, int64_t a_row, int64_t k, float* out) {
  pack_rows<MR>(1, whole(k / 2), out, [=](int64_t at) {
    // `at` counts rows by 1 and pairs by lanes: row i of pair j comes as i + j, j a multiple of kLanes > i.
    const int64_t i = at % kLanes, depth = (at - i) * 2;
    const float* from = a + i * a_row + depth;
    return from_bits((IVec)_mm512_cvtne2ps_pbh(load(from + kLanes), load(from)));
  });
}

void pack_a_bf16(const float* a, int64_t a_row, int mr, int64_t k, float* out) {
  with_rows(mr, [&](auto rows) { pack_pairs<decltype(rows)::value>(a, a_row, k, out); });
  for (int64_t p = whole(k / 2); p < (k + 1) / 2; ++p)
    for (int i = 0; i < mr; ++i) {
      const float even = round_bf16(a[i * a_row + 2 * p]);
      const float odd = 2 * p + 1 < k ? round_bf16(a[i * a_row + 2 * p + 1]) : 0.0F;
      uint32_t low = 0, high = 0;
      std::memcpy(&low, &even, sizeof(low));
      std::memcpy(&high, &odd, sizeof(high));
      low = high | low >> 16U;
      std::memcpy(out + p * mr + i, &low, sizeof(low));
    }
}

#else

constexpr bool kNativeBf16 = false;
constexpr int kPairFloats = 2;

template <int MR>
inline void multiply_pairs(RegVec (&acc)[MR][kVectors], int64_t pairs, const float* a, const uint16_t* b) {
  for (int64_t p = 0; p < pairs; ++p, a += 2 * MR, b += 2 * kPanel) {
    const RegVec odd0 = from_bits(load_pairs(b) & kHigh), odd1 = from_bits(load_pairs(b + 2 * kLanes) & kHigh);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const RegVec ai = splat(a[MR + i]);
      acc[i][0] += ai * odd0;
      acc[i][1] += ai * odd1;
    }
    const RegVec even0 = from_bits(load_pairs(b) << 16), even1 = from_bits(load_pairs(b + 2 * kLanes) << 16);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const RegVec ai = splat(a[i]);
      acc[i][0] += ai * even0;
      acc[i][1] += ai * even1;
    }
  }
}

/// out[depth*mr + i]: rounded values as fp32.
void pack_a_bf16(const float* a, int64_t a_row, int mr, int64_t k, float* out) {
  with_rows(mr, [&](auto rows) {
    pack_rows<decltype(rows)::value>(a_row, k, out, [a](int64_t at) { return round_bf16(load(a + at)); });
  });
  for (int64_t j = whole(k); j < (k + 1) / 2 * 2; ++j)
    for (int i = 0; i < mr; ++i)
      out[j * mr + i] = j < k ? round_bf16(a[i * a_row + j]) : 0.0F;
}

#endif

template <int MR>
void tile_rows_bf16(const TileBf16& t) {
  for (int column = 0; column < t.n_columns; column += kTileColumns) {
    prefetch_rows<MR, kVectors>(t.c + column, t.ldc);
    RegVec acc[MR][kVectors] = {};
    multiply_pairs<MR>(acc, t.pairs, t.a, t.b + 2 * column);
    store_rows<MR, kVectors>(acc, t.c + column, t.ldc, t.n_columns - column, t.accumulate);
  }
}

void tile_bf16(int mr, const TileBf16& t) {
  with_rows(mr, [&t](auto rows) { tile_rows_bf16<decltype(rows)::value>(t); });
}

/// Two rows of kLanes pairs, (x0, x1) and (y0, y1), as one row of 2*kLanes pairs: (x0, y0), (x1, y1), ...
inline void store_crossed(RegVec x, RegVec y, uint16_t* to) {
  IVec low, high;
  for (int l = 0; l < kLanes; ++l) {
    low[l] = l / 2 + l % 2 * kLanes;
    high[l] = kLanes / 2 + l / 2 + l % 2 * kLanes;
  }
  const IVec even = (bits_of(x) & 0xFFFF) | (bits_of(y) << 16),
             odd = ((bits_of(x) >> 16) & 0xFFFF) | (bits_of(y) & kHigh);
  const IVec first = __builtin_shuffle(even, odd, low), second = __builtin_shuffle(even, odd, high);
  std::memcpy(to, &first, sizeof(first));
  std::memcpy(to + 2 * kLanes, &second, sizeof(second));
}

void transpose_bf16(const uint16_t* from, uint16_t* to) {
  for (int r = 0; r < kPanel / 2; r += kLanes)
    for (int c = 0; c < kPanel; c += kLanes) {
      RegVec square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i)
        square[i] = from_bits(load_pairs(from + ((r + i) * kPanel + c) * 2));
      transpose_square(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i += 2)
        store_crossed(square[i], square[i + 1], to + ((c + i) / 2 * kPanel + 2 * r) * 2);
    }
}

}  // namespace
