// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/dtype.h"
#include "formats/ggml_types.h"

namespace afina::formats {
namespace {

inline float half_at(const uint8_t* bytes) {
  uint16_t half = 0;
  std::memcpy(&half, bytes, 2);
  return half_to_float(half);
}

void q4_0(const uint8_t* block, float* y) {
  const float d = half_at(block);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>((block[2 + j] & 15) - 8);
    y[j + 16] = d * static_cast<float>((block[2 + j] >> 4) - 8);
  }
}

void q4_1(const uint8_t* block, float* y) {
  const float d = half_at(block);
  const float m = half_at(block + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(block[4 + j] & 15) + m;
    y[j + 16] = d * static_cast<float>(block[4 + j] >> 4) + m;
  }
}

void q5_0(const uint8_t* block, float* y) {
  const float d = half_at(block);
  uint32_t high = 0;
  std::memcpy(&high, block + 2, 4);
  for (int j = 0; j < 16; ++j) {
    const int low_q = (block[6 + j] & 15) | static_cast<int>((high >> j) & 1U) << 4;
    const int high_q = (block[6 + j] >> 4) | static_cast<int>((high >> (j + 16)) & 1U) << 4;
    y[j] = d * static_cast<float>(low_q - 16);
    y[j + 16] = d * static_cast<float>(high_q - 16);
  }
}

void q5_1(const uint8_t* block, float* y) {
  const float d = half_at(block);
  const float m = half_at(block + 2);
  uint32_t high = 0;
  std::memcpy(&high, block + 4, 4);
  for (int j = 0; j < 16; ++j) {
    const int low_q = (block[8 + j] & 15) | static_cast<int>((high >> j) & 1U) << 4;
    const int high_q = (block[8 + j] >> 4) | static_cast<int>((high >> (j + 16)) & 1U) << 4;
    y[j] = d * static_cast<float>(low_q) + m;
    y[j + 16] = d * static_cast<float>(high_q) + m;
  }
}

void q8_0(const uint8_t* block, float* y) {
  const float d = half_at(block);
  for (int j = 0; j < 32; ++j)
    y[j] = d * static_cast<float>(static_cast<int8_t>(block[2 + j]));
}

struct ScaleMin {
  int scale, minimum;
};

// The 6-bit scale and minimum of sub-block j, packed in 12 bytes.
ScaleMin scale_min(const uint8_t* s, int j) {
  if (j < 4) return {s[j] & 63, s[j + 4] & 63};
  return {(s[j + 4] & 15) + 16 * (s[j - 4] >> 6), (s[j + 4] >> 4) + 16 * (s[j] >> 6)};
}

// Q4_K and Q5_K: `high` is null or the 32 bytes that hold the fifth bits.
void q45_k(const uint8_t* block, const uint8_t* high, const uint8_t* qs, float* y) {
  const float d = half_at(block);
  const float dmin = half_at(block + 2);
  for (int chunk = 0; chunk < 4; ++chunk) {
    for (int half = 0; half < 2; ++half) {
      const int sub = 2 * chunk + half;
      const auto [scale, minimum] = scale_min(block + 4, sub);
      const float step = d * static_cast<float>(scale);
      const float offset = dmin * static_cast<float>(minimum);
      for (int l = 0; l < 32; ++l) {
        int q = half == 0 ? qs[32 * chunk + l] & 15 : qs[32 * chunk + l] >> 4;
        if (high != nullptr) q += ((high[l] >> sub) & 1) * 16;
        y[64 * chunk + 32 * half + l] = step * static_cast<float>(q) - offset;
      }
    }
  }
}

void q4_k(const uint8_t* block, float* y) {
  q45_k(block, nullptr, block + 16, y);
}

void q5_k(const uint8_t* block, float* y) {
  q45_k(block, block + 16, block + 48, y);
}

void q6_k(const uint8_t* block, float* y) {
  const float d = half_at(block + 208);
  for (int n = 0; n < 2; ++n) {
    const uint8_t* low = block + 64 * n;
    const uint8_t* high = block + 128 + 32 * n;
    const auto* scales = reinterpret_cast<const int8_t*>(block + 192 + 8 * n);
    for (int l = 0; l < 32; ++l) {
      const int is = l / 16;
      const std::array<int, 4> q{(low[l] & 15) + 16 * (high[l] & 3), (low[l + 32] & 15) + 16 * ((high[l] >> 2) & 3),
                                 (low[l] >> 4) + 16 * ((high[l] >> 4) & 3), (low[l + 32] >> 4) + 16 * (high[l] >> 6)};
      for (int part = 0; part < 4; ++part) {
        y[128 * n + 32 * part + l] = d * static_cast<float>(scales[is + 2 * part]) * static_cast<float>(q[part] - 32);
      }
    }
  }
}

void q2_k(const uint8_t* block, float* y) {
  const uint8_t* qs = block + 16;
  const float d = half_at(block + 80);
  const float dmin = half_at(block + 82);
  for (int sub = 0; sub < 16; ++sub) {
    const float step = d * static_cast<float>(block[sub] & 15);
    const float offset = dmin * static_cast<float>(block[sub] >> 4);
    const uint8_t* q = qs + 32 * (sub / 8) + 16 * (sub % 2);
    const int shift = 2 * (sub % 8 / 2);
    for (int l = 0; l < 16; ++l)
      y[16 * sub + l] = step * static_cast<float>((q[l] >> shift) & 3) - offset;
  }
}

// Scale j of Q3_K: four low bits in the nibbles of the first 8 bytes, two high bits in the last 4.
int q3_k_scale(const uint8_t* s, int j) {
  const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
  return (low | ((s[8 + j % 4] >> (2 * (j / 4))) & 3) << 4) - 32;
}

void q3_k(const uint8_t* block, float* y) {
  const uint8_t* high = block;
  const uint8_t* qs = block + 32;
  const float d = half_at(block + 108);
  for (int sub = 0; sub < 16; ++sub) {
    const float step = d * static_cast<float>(q3_k_scale(block + 96, sub));
    const int column = 16 * (sub % 2);
    const uint8_t* q = qs + 32 * (sub / 8) + column;
    for (int l = 0; l < 16; ++l) {
      const int value = ((q[l] >> (2 * (sub % 8 / 2))) & 3) - (((high[column + l] >> (sub / 2)) & 1) != 0 ? 0 : 4);
      y[16 * sub + l] = step * static_cast<float>(value);
    }
  }
}

constexpr std::array<int8_t, 16> kIq4Values{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void iq4_nl(const uint8_t* block, float* y) {
  const float d = half_at(block);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(kIq4Values[block[2 + j] & 15]);
    y[j + 16] = d * static_cast<float>(kIq4Values[block[2 + j] >> 4]);
  }
}

void iq4_xs(const uint8_t* block, float* y) {
  const float d = half_at(block);
  const int scales_high = block[2] | block[3] << 8;
  for (int sub = 0; sub < 8; ++sub) {
    const int scale = ((block[4 + sub / 2] >> (4 * (sub % 2))) & 15) | ((scales_high >> (2 * sub)) & 3) << 4;
    const float step = d * static_cast<float>(scale - 32);
    const uint8_t* q = block + 8 + 16 * sub;
    for (int j = 0; j < 16; ++j) {
      y[32 * sub + j] = step * static_cast<float>(kIq4Values[q[j] & 15]);
      y[32 * sub + j + 16] = step * static_cast<float>(kIq4Values[q[j] >> 4]);
    }
  }
}

// Digit n of a byte that holds five base-3 digits as the fraction byte/256.
float ternary_digit(uint8_t byte, int n) {
  constexpr std::array<uint8_t, 5> kPowers{1, 3, 9, 27, 81};
  const auto shifted = static_cast<uint8_t>(byte * kPowers[static_cast<size_t>(n)]);
  return static_cast<float>((shifted * 3 >> 8) - 1);
}

void tq1_0(const uint8_t* block, float* y) {
  const float d = half_at(block + 52);
  const auto digits = [&](const uint8_t* bytes, int count, int n_digits) {
    for (int n = 0; n < n_digits; ++n)
      for (int m = 0; m < count; ++m)
        *y++ = ternary_digit(bytes[m], n) * d;
  };
  digits(block, 32, 5);
  digits(block + 32, 16, 5);
  digits(block + 48, 4, 4);
}

void tq2_0(const uint8_t* block, float* y) {
  const float d = half_at(block + 64);
  for (int i = 0; i < 256; ++i)
    y[i] = static_cast<float>(((block[32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32))) & 3) - 1) * d;
}

// E2M1 values, doubled; the scales of the two types below are halved in turn.
constexpr std::array<int8_t, 16> kFp4Values{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

void mxfp4(const uint8_t* block, float* y) {
  const uint32_t exponent = block[0];
  const float d = std::bit_cast<float>(exponent < 2 ? 0x00200000U << exponent : (exponent - 1) << 23);
  for (int j = 0; j < 16; ++j) {
    y[j] = static_cast<float>(kFp4Values[block[1 + j] & 15]) * d;
    y[j + 16] = static_cast<float>(kFp4Values[block[1 + j] >> 4]) * d;
  }
}

// Unsigned E4M3, bias 7, halved; 0x7F (NaN) counts as 0, and the sign bit as one more exponent bit is ignored.
float half_of_ue4m3(uint8_t byte) {
  if (byte == 0 || byte == 0x7F) return 0;
  const int exponent = (byte >> 3) & 15;
  const auto mantissa = static_cast<float>(byte & 7);
  const float value = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(1 + mantissa / 8, exponent - 7);
  return value * 0.5F;
}

void nvfp4(const uint8_t* block, float* y) {
  for (int sub = 0; sub < 4; ++sub) {
    const float d = half_of_ue4m3(block[sub]);
    const uint8_t* q = block + 4 + 8 * sub;
    for (int j = 0; j < 8; ++j) {
      y[16 * sub + j] = static_cast<float>(kFp4Values[q[j] & 15]) * d;
      y[16 * sub + j + 8] = static_cast<float>(kFp4Values[q[j] >> 4]) * d;
    }
  }
}

void q1_0(const uint8_t* block, float* y) {
  const float d = half_at(block);
  for (int j = 0; j < 128; ++j)
    y[j] = ((block[2 + j / 8] >> (j % 8)) & 1) != 0 ? d : -d;
}

void q2_0(const uint8_t* block, float* y) {
  const float d = half_at(block);
  for (int j = 0; j < 64; ++j)
    y[j] = static_cast<float>(((block[2 + j / 4] >> (2 * (j % 4))) & 3) - 1) * d;
}

template <void (*Block)(const uint8_t*, float*), int Elements, int Bytes>
void each_block(const uint8_t* bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); i += Elements, bytes += Bytes)
    Block(bytes, out.data() + i);
}

void from_half(const uint8_t* bytes, float* y) {
  *y = half_at(bytes);
}

void from_bfloat16(const uint8_t* bytes, float* y) {
  uint16_t bits = 0;
  std::memcpy(&bits, bytes, 2);
  *y = bfloat16_to_float(bits);
}

void from_float32(const uint8_t* bytes, float* y) {
  std::memcpy(y, bytes, 4);
}

using Dequantizer = void (*)(const uint8_t*, std::span<float>);

Dequantizer dequantizer(GgmlType type) {
  switch (type) {
    case GgmlType::f32:
      return each_block<from_float32, 1, 4>;
    case GgmlType::f16:
      return each_block<from_half, 1, 2>;
    case GgmlType::bf16:
      return each_block<from_bfloat16, 1, 2>;
    case GgmlType::q4_0:
      return each_block<q4_0, 32, 18>;
    case GgmlType::q4_1:
      return each_block<q4_1, 32, 20>;
    case GgmlType::q5_0:
      return each_block<q5_0, 32, 22>;
    case GgmlType::q5_1:
      return each_block<q5_1, 32, 24>;
    case GgmlType::q8_0:
      return each_block<q8_0, 32, 34>;
    case GgmlType::q2_k:
      return each_block<q2_k, 256, 84>;
    case GgmlType::q3_k:
      return each_block<q3_k, 256, 110>;
    case GgmlType::q4_k:
      return each_block<q4_k, 256, 144>;
    case GgmlType::q5_k:
      return each_block<q5_k, 256, 176>;
    case GgmlType::q6_k:
      return each_block<q6_k, 256, 210>;
    case GgmlType::iq4_nl:
      return each_block<iq4_nl, 32, 18>;
    case GgmlType::iq4_xs:
      return each_block<iq4_xs, 256, 136>;
    case GgmlType::tq1_0:
      return each_block<tq1_0, 256, 54>;
    case GgmlType::tq2_0:
      return each_block<tq2_0, 256, 66>;
    case GgmlType::mxfp4:
      return each_block<mxfp4, 32, 17>;
    case GgmlType::nvfp4:
      return each_block<nvfp4, 64, 36>;
    case GgmlType::q1_0:
      return each_block<q1_0, 128, 18>;
    case GgmlType::q2_0:
      return each_block<q2_0, 64, 18>;
  }
  return nullptr;  // a type that is known by its size only
}

}  // namespace

bool can_dequantize(GgmlType type) {
  return dequantizer(type) != nullptr;
}

void dequantize_blocks(GgmlType type, std::span<const std::byte> blocks, std::span<float> out) {
  const Dequantizer run = dequantizer(type);
  AFINA_CHECK(run != nullptr, ggml_type_name(type));
  AFINA_CHECK(static_cast<int64_t>(blocks.size()) == ggml_bytes(type, static_cast<int64_t>(out.size())), blocks.size());
  run(reinterpret_cast<const uint8_t*>(blocks.data()), out);
}

}  // namespace afina::formats
