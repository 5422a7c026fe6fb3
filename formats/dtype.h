// SPDX-License-Identifier: Apache-2.0
// The element types of safetensors files, in the order of the format's own enumeration (ascending alignment), and the
// 8- and 16-bit floats in software. Not the block-quantised types of GGUF: formats/ggml_types.h.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace afina::formats {

enum class DType {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64
};

/// "F32", "BF16", … as written in a safetensors header.
std::string_view dtype_name(DType dtype);
/// The dtype of that name, or nothing where there is none.
std::optional<DType> dtype_from_name(std::string_view name);
/// Bits of one element: 4, 6, 8, 16, 32 or 64.
int dtype_bits(DType dtype);

/// IEEE binary16 to binary32, exact; NaN payloads are kept.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  const uint32_t magnitude = half & 0x7FFFU;
  if (magnitude >= 0x7C00U) return std::bit_cast<float>(sign | 0x7F800000U | ((magnitude & 0x3FFU) << 13));
  const uint32_t bits = (magnitude << 13) + (112U << 23);
  if (magnitude >= 0x400U) return std::bit_cast<float>(sign | bits);
  // Subnormal: one exponent up, then the implicit bit is taken away again; no subnormal operand, so flush-to-zero is
  // harmless.
  const float value = std::bit_cast<float>(bits + (1U << 23)) - 0x1p-14F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
}
/// binary32 to binary16, to nearest even; NaN stays NaN, overflow becomes infinity.
uint16_t float_to_half(float value);

inline float bfloat16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
/// binary32 to bfloat16, to nearest even; NaN stays NaN.
inline uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<uint16_t>((bits >> 16) | 64U);
  return static_cast<uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

/// F8_E4M3 (the "FN" kind: no infinity, one NaN of each sign) to binary32, exact.
float float8_e4m3_to_float(uint8_t bits);

}  // namespace afina::formats
