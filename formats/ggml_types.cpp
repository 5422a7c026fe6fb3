// SPDX-License-Identifier: Apache-2.0
#include "formats/ggml_types.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "formats/dtype.h"

namespace afina::formats {
namespace {

struct TypeRow {
  uint32_t id;
  GgmlTypeInfo info;
};

constexpr std::array<TypeRow, 37> kTypes{{
    {0, {"F32", 1, 4}},
    {1, {"F16", 1, 2}},
    {2, {"Q4_0", 32, 18}},
    {3, {"Q4_1", 32, 20}},
    {6, {"Q5_0", 32, 22}},
    {7, {"Q5_1", 32, 24}},
    {8, {"Q8_0", 32, 34}},
    {9, {"Q8_1", 0, 0}},
    {10, {"Q2_K", 0, 0}},
    {11, {"Q3_K", 0, 0}},
    {12, {"Q4_K", 256, 144}},
    {13, {"Q5_K", 256, 176}},
    {14, {"Q6_K", 256, 210}},
    {15, {"Q8_K", 0, 0}},
    {16, {"IQ2_XXS", 0, 0}},
    {17, {"IQ2_XS", 0, 0}},
    {18, {"IQ3_XXS", 0, 0}},
    {19, {"IQ1_S", 0, 0}},
    {20, {"IQ4_NL", 0, 0}},
    {21, {"IQ3_S", 0, 0}},
    {22, {"IQ2_S", 0, 0}},
    {23, {"IQ4_XS", 0, 0}},
    {24, {"I8", 0, 0}},
    {25, {"I16", 0, 0}},
    {26, {"I32", 0, 0}},
    {27, {"I64", 0, 0}},
    {28, {"F64", 0, 0}},
    {29, {"IQ1_M", 0, 0}},
    {30, {"BF16", 1, 2}},
    {34, {"TQ1_0", 0, 0}},
    {35, {"TQ2_0", 0, 0}},
    {39, {"MXFP4", 0, 0}},
    {40, {"NVFP4", 0, 0}},
    {41, {"Q1_0", 0, 0}},
    {42, {"Q2_0", 0, 0}},
    {4, {"Q4_2 (removed)", 0, 0}},
    {5, {"Q4_3 (removed)", 0, 0}},
}};

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

template <void (*Block)(const uint8_t*, float*), int Elements, int Bytes>
void each_block(const uint8_t* bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); i += Elements, bytes += Bytes)
    Block(bytes, out.data() + i);
}

}  // namespace

const GgmlTypeInfo* ggml_type_info(uint32_t id) {
  const auto row =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeRow& candidate) { return candidate.id == id; });
  return row == kTypes.end() ? nullptr : &row->info;
}

std::string ggml_type_name(uint32_t id) {
  const GgmlTypeInfo* info = ggml_type_info(id);
  return info != nullptr ? info->name : cat("type ", id);
}

void dequantize_blocks(GgmlType type, std::span<const std::byte> blocks, std::span<float> out) {
  const GgmlTypeInfo* info = ggml_type_info(static_cast<uint32_t>(type));
  AFINA_CHECK(info != nullptr && info->block_elements > 0, "unreadable type");
  const auto block_elements = static_cast<size_t>(info->block_elements);
  AFINA_CHECK(out.size() % block_elements == 0, out.size());
  AFINA_CHECK(blocks.size() == out.size() / block_elements * static_cast<size_t>(info->block_bytes), blocks.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(blocks.data());
  switch (type) {
    case GgmlType::f32:
      if (!out.empty()) std::memcpy(out.data(), bytes, blocks.size());
      return;
    case GgmlType::f16:
      for (size_t i = 0; i < out.size(); ++i)
        out[i] = half_at(bytes + 2 * i);
      return;
    case GgmlType::bf16:
      for (size_t i = 0; i < out.size(); ++i) {
        uint16_t bits = 0;
        std::memcpy(&bits, bytes + 2 * i, 2);
        out[i] = bfloat16_to_float(bits);
      }
      return;
    case GgmlType::q4_0:
      return each_block<q4_0, 32, 18>(bytes, out);
    case GgmlType::q4_1:
      return each_block<q4_1, 32, 20>(bytes, out);
    case GgmlType::q5_0:
      return each_block<q5_0, 32, 22>(bytes, out);
    case GgmlType::q5_1:
      return each_block<q5_1, 32, 24>(bytes, out);
    case GgmlType::q8_0:
      return each_block<q8_0, 32, 34>(bytes, out);
    case GgmlType::q4_k:
      return each_block<q4_k, 256, 144>(bytes, out);
    case GgmlType::q5_k:
      return each_block<q5_k, 256, 176>(bytes, out);
    case GgmlType::q6_k:
      return each_block<q6_k, 256, 210>(bytes, out);
  }
}

}  // namespace afina::formats
