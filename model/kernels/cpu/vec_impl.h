// SPDX-License-Identifier: Apache-2.0
// Included by the isa_*.cpp files only, each compiled with its own flags: vectors of kLanes floats by GCC's vector
// extension, in an unnamed namespace so that no code of one instruction set can be linked into another.
#pragma once
#include <cstdint>
#include <cstring>

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef int32_t IVec __attribute__((vector_size(kLanes * 4)));
typedef float RegVec __attribute__((vector_size(kLanes * 4)));

inline RegVec load(const float* p) {
  return *reinterpret_cast<const Vec*>(p);
}
inline void store(float* p, RegVec v) {
  *reinterpret_cast<Vec*>(p) = v;
}
inline RegVec splat(float v) {
  return v - RegVec{};  // not "+": v + 0 must turn -0 into 0, so an addition would stay in every inner loop
}

/// n without the part that fills no vector.
inline int64_t whole(int64_t n) {
  return n - n % kLanes;
}

/// The last n < kLanes values, the rest filled.
inline RegVec load_tail(const float* p, int64_t n, float fill) {
  float buffer[kLanes];
  for (int i = 0; i < kLanes; ++i)
    buffer[i] = i < n ? p[i] : fill;
  return load(buffer);
}
inline void store_tail(float* p, RegVec v, int64_t n) {
  float buffer[kLanes];
  store(buffer, v);
  for (int64_t i = 0; i < n; ++i)
    p[i] = buffer[i];
}

/// The lane of (a, b) that one step of a transposition moves to lane l: blocks of Step lanes change sides.
template <int Step>
inline void exchange(RegVec& a, RegVec& b) {
  IVec low, high;
  for (int l = 0; l < kLanes; ++l) {
    low[l] = (l & Step) != 0 ? kLanes + l - Step : l;
    high[l] = (l & Step) != 0 ? kLanes + l : l + Step;
  }
  const RegVec from_a = a;
  a = __builtin_shuffle(from_a, b, low);
  b = __builtin_shuffle(from_a, b, high);
}

template <int Step>
inline void transpose_steps(RegVec* rows) {
  if constexpr (Step < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i)
      if ((i & Step) == 0) exchange<Step>(rows[i], rows[i + Step]);
    transpose_steps<2 * Step>(rows);
  }
}

/// kLanes rows become kLanes columns.
inline void transpose_square(RegVec* rows) {
  transpose_steps<1>(rows);
}

inline float sum_lanes(RegVec v) {
  float buffer[kLanes];
  store(buffer, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i)
      buffer[i] += buffer[i + width];
  return buffer[0];
}
inline float max_lanes(RegVec v) {
  float buffer[kLanes];
  store(buffer, v);
  float best = buffer[0];
  for (int i = 1; i < kLanes; ++i)
    best = buffer[i] > best ? buffer[i] : best;
  return best;
}

/// exp with a relative error below 2e-7; 0 below -87.33, exp(88) above 88. (Cody-Waite reduction, Cephes polynomial.)
inline RegVec exp_vec(RegVec x) {
  const RegVec high = splat(88.0F), low = splat(-87.33654F);
  const IVec underflow = x < low;
  x = x > high ? high : x;
  x = x < low ? low : x;
  const RegVec magic = splat(12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer
  const RegVec shifted = x * 1.44269504088896341F + magic;
  const RegVec n = shifted - magic;
  RegVec r = x - n * 0.693359375F;
  r = r + n * 2.12194440e-4F;
  RegVec p = splat(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  IVec bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  bits = (bits - 0x4B400000 + 127) << 23;
  RegVec power;
  std::memcpy(&power, &bits, sizeof(power));
  const RegVec result = p * power;
  return underflow ? splat(0.0F) : result;
}

}  // namespace
