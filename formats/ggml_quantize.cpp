// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "formats/dtype.h"
#include "formats/ggml_types.h"

namespace afina::formats {
namespace {

void put_half(uint8_t* to, float value) {
  const uint16_t half = float_to_half(value);
  std::memcpy(to, &half, 2);
}

// Truncates as the reference's cast does, and gives 0 where that cast is undefined (NaN, infinity).
int truncated(float value, int highest) {
  if (!(value > -128.0F && value < 128.0F)) return 0;
  return std::min(highest, static_cast<int>(value));
}

float inverse(float d) {
  return d != 0 ? 1.0F / d : 0.0F;
}

// The first value of largest magnitude, with its sign.
float signed_peak(const float* x) {
  float largest = 0, peak = 0;
  for (int j = 0; j < 32; ++j) {
    if (largest < std::fabs(x[j])) {
      largest = std::fabs(x[j]);
      peak = x[j];
    }
  }
  return peak;
}

// Nibbles of q, and where `high` is given the fifth bits.
template <typename Quantize>
void put_codes(uint8_t* nibbles, uint8_t* high, Quantize q) {
  uint32_t bits = 0;
  for (int j = 0; j < 16; ++j) {
    const auto first = static_cast<uint32_t>(q(j)), second = static_cast<uint32_t>(q(j + 16));
    nibbles[j] = static_cast<uint8_t>((first & 15U) | (second & 15U) << 4);
    bits |= ((first >> 4) & 1U) << j | ((second >> 4) & 1U) << (j + 16);
  }
  if (high != nullptr) std::memcpy(high, &bits, 4);
}

// Q4_0 and Q5_0: the peak maps to the most negative code.
template <int Half>
void symmetric(const float* x, uint8_t* block) {
  const float d = signed_peak(x) / static_cast<float>(-Half);
  const float id = inverse(d);
  put_half(block, d);
  uint8_t* high = Half == 16 ? block + 2 : nullptr;
  put_codes(block + (Half == 16 ? 6 : 2), high,
            [&](int j) { return truncated(x[j] * id + (static_cast<float>(Half) + 0.5F), 2 * Half - 1); });
}

// Q4_1 and Q5_1: minimum and step.
template <int Levels>
void asymmetric(const float* x, uint8_t* block) {
  float low = std::numeric_limits<float>::max(), top = std::numeric_limits<float>::lowest();
  for (int j = 0; j < 32; ++j) {
    if (x[j] < low) low = x[j];
    if (x[j] > top) top = x[j];
  }
  const float d = (top - low) / static_cast<float>(Levels);
  const float id = inverse(d);
  put_half(block, d);
  put_half(block + 2, low);
  uint8_t* high = Levels == 31 ? block + 4 : nullptr;
  put_codes(block + (Levels == 31 ? 8 : 4), high, [&](int j) { return truncated((x[j] - low) * id + 0.5F, Levels); });
}

void q8_0(const float* x, uint8_t* block) {
  float largest = 0;
  for (int j = 0; j < 32; ++j)
    largest = std::max(largest, std::fabs(x[j]));
  const float d = largest / 127.0F;
  const float id = inverse(d);
  put_half(block, d);
  for (int j = 0; j < 32; ++j)
    block[2 + j] = static_cast<uint8_t>(truncated(std::round(x[j] * id), 127));
}

void to_half(const float* x, uint8_t* block) {
  put_half(block, *x);
}

void to_bfloat16(const float* x, uint8_t* block) {
  const uint16_t bits = float_to_bfloat16(*x);
  std::memcpy(block, &bits, 2);
}

void to_float32(const float* x, uint8_t* block) {
  std::memcpy(block, x, 4);
}

template <void (*Block)(const float*, uint8_t*), int Elements, int Bytes>
void each_block(std::span<const float> values, uint8_t* out) {
  for (size_t i = 0; i < values.size(); i += Elements, out += Bytes)
    Block(values.data() + i, out);
}

using Quantizer = void (*)(std::span<const float>, uint8_t*);

Quantizer quantizer(GgmlType type) {
  switch (type) {
    case GgmlType::f32:
      return each_block<to_float32, 1, 4>;
    case GgmlType::f16:
      return each_block<to_half, 1, 2>;
    case GgmlType::bf16:
      return each_block<to_bfloat16, 1, 2>;
    case GgmlType::q4_0:
      return each_block<symmetric<8>, 32, 18>;
    case GgmlType::q4_1:
      return each_block<asymmetric<15>, 32, 20>;
    case GgmlType::q5_0:
      return each_block<symmetric<16>, 32, 22>;
    case GgmlType::q5_1:
      return each_block<asymmetric<31>, 32, 24>;
    case GgmlType::q8_0:
      return each_block<q8_0, 32, 34>;
    default:
      return nullptr;
  }
}

}  // namespace

bool can_quantize(GgmlType type) {
  return quantizer(type) != nullptr;
}

void quantize_blocks(GgmlType type, std::span<const float> values, std::span<std::byte> out) {
  const Quantizer run = quantizer(type);
  AFINA_CHECK(run != nullptr, ggml_type_name(type));
  AFINA_CHECK(static_cast<int64_t>(out.size()) == ggml_bytes(type, static_cast<int64_t>(values.size())), out.size());
  run(values, reinterpret_cast<uint8_t*>(out.data()));
}

}  // namespace afina::formats
