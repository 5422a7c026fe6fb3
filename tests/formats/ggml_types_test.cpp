// SPDX-License-Identifier: Apache-2.0
#include "formats/ggml_types.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/support/golden.h"

namespace afina::formats {
namespace {

std::vector<std::byte> from_hex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < text.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

uint32_t crc(std::span<const float> values) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(values.data()), static_cast<uInt>(values.size() * 4)));
}

TEST(GgmlTypes, EveryReadableTypeEqualsTheReferenceExactly) {
  const Json golden = parse_json(read_file(golden_path("tiny/gguf_types.json")), "gguf_types.json");
  int checked = 0;
  for (const auto& [name, entry] : golden.items()) {
    const auto id = entry["id"].get<uint32_t>();
    const GgmlTypeInfo* info = ggml_type_info(id);
    ASSERT_NE(info, nullptr) << name;
    EXPECT_EQ(info->name, name);
    EXPECT_EQ(info->block_elements, entry["block"].get<int>());
    EXPECT_EQ(info->block_bytes, entry["bytes"].get<int>());
    if (!can_dequantize(static_cast<GgmlType>(id))) continue;
    ++checked;
    const auto expected = entry["values"].get<std::vector<float>>();
    std::vector<float> values(expected.size());
    dequantize_blocks(static_cast<GgmlType>(id), from_hex(entry["hex"].get<std::string>()), values);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(values[i]), std::bit_cast<uint32_t>(expected[i])) << name << " value " << i;
  }
  EXPECT_EQ(checked, 16);
}

struct Vector {
  GgmlType type;
  int blocks;
  double sum;
  uint32_t crc;
  std::vector<float> first;
  std::vector<std::pair<int, uint16_t>> halves;  // byte offset within a block and what to write there
};

constexpr uint16_t kD = 0x3800, kM = 0xBD00, kDmin = 0x3400;  // 0.5, -1.25, 0.25

TEST(GgmlTypes, SumsOfFixedBytesEqualTheReference) {
  const std::vector<Vector> vectors{
      {GgmlType::q4_0, 2, -16, 0x8eb456b5, {-1.5F, 1, 3.5F}, {{0, kD}}},
      {GgmlType::q4_1, 2, 167, 0xe33c3890, {6.25F, 0.75F, 3.25F}, {{0, kD}, {2, kM}}},
      {GgmlType::q5_0, 2, -2, 0xaaa82f32, {4.5F, -1, 1.5F}, {{0, kD}}},
      {GgmlType::q5_1, 2, 413, 0xe166d1c5, {8.25F, 10.75F, 13.25F}, {{0, kD}, {2, kM}}},
      {GgmlType::q8_0, 2, -144, 0x05f477d2, {42.5F, 61, -48.5F}, {{0, kD}}},
      {GgmlType::q4_k, 1, 27220, 0xbe455e17, {157.75F, -12.75F, 64.75F}, {{0, kD}, {2, kDmin}}},
      {GgmlType::q5_k, 1, 58108, 0xca21f113, {405.75F, -12.75F, 312.75F}, {{0, kD}, {2, kDmin}}},
      {GgmlType::q6_k, 1, 2306, 0x4f2ddbfc, {-715.5F, 848, 291.5F}, {{208, kD}}},
  };
  for (const Vector& vector : vectors) {
    const GgmlTypeInfo* info = ggml_type_info(static_cast<uint32_t>(vector.type));
    std::vector<uint8_t> bytes(static_cast<size_t>(vector.blocks * info->block_bytes));
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<uint8_t>(i * 37 + 11);
    for (int block = 0; block < vector.blocks; ++block) {
      for (const auto& [offset, half] : vector.halves)
        std::memcpy(bytes.data() + block * info->block_bytes + offset, &half, 2);
    }
    std::vector<float> values(static_cast<size_t>(vector.blocks * info->block_elements));
    dequantize_blocks(vector.type, std::as_bytes(std::span(bytes)), values);
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), 0.0), vector.sum) << info->name;
    EXPECT_EQ(crc(values), vector.crc) << info->name;
    EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 3), vector.first) << info->name;
  }
}

struct Quantised {
  GgmlType type;
  uint32_t crc_blocks, crc_values;
  const char* first;
};

TEST(GgmlTypes, TheReferenceQuantisersAreFollowedToTheLastBit) {
  std::vector<float> input(512);
  for (size_t i = 0; i < input.size(); ++i)
    input[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64.0F;
  ASSERT_EQ(crc(input), 0x624f45f7U);
  const std::vector<Quantised> table{{GgmlType::q4_0, 0x204545fc, 0x7cb7d62e, "402ee046acf258bd"},
                                     {GgmlType::q4_1, 0x34349991, 0x01fc2d7d, "ab2e40bad0369bf2"},
                                     {GgmlType::q5_0, 0xf426417a, 0xa7805012, "402aa4a52d6dc07c"},
                                     {GgmlType::q5_1, 0xdeee4113, 0x1d901ddc, "742a40baa4a52d6d"},
                                     {GgmlType::q8_0, 0xee27ba57, 0x79469581, "4d1e81df3d9af856"}};
  for (const Quantised& entry : table) {
    ASSERT_TRUE(can_quantize(entry.type));
    std::vector<std::byte> blocks(static_cast<size_t>(ggml_bytes(entry.type, 512)));
    quantize_blocks(entry.type, input, blocks);
    EXPECT_EQ(crc32(0, reinterpret_cast<const Bytef*>(blocks.data()), static_cast<uInt>(blocks.size())),
              entry.crc_blocks)
        << ggml_type_name(entry.type);
    EXPECT_EQ(std::vector<std::byte>(blocks.begin(), blocks.begin() + 8), from_hex(entry.first));
    std::vector<float> values(512);
    dequantize_blocks(entry.type, blocks, values);
    EXPECT_EQ(crc(values), entry.crc_values) << ggml_type_name(entry.type);
  }
}

TEST(GgmlTypes, FloatsAreWrittenRoundedToNearestEven) {
  const std::vector<float> input{1.0F, -2.0F, 1.00390625F, 65536.0F, 0x1p-25F};
  std::vector<std::byte> blocks(10);
  std::vector<float> values(5);
  quantize_blocks(GgmlType::bf16, input, blocks);
  dequantize_blocks(GgmlType::bf16, blocks, values);
  EXPECT_EQ(values, (std::vector<float>{1.0F, -2.0F, 1.0F, 65536.0F, 0x1p-25F}));
  quantize_blocks(GgmlType::f16, input, blocks);
  dequantize_blocks(GgmlType::f16, blocks, values);
  EXPECT_EQ(values, (std::vector<float>{1.0F, -2.0F, 1.00390625F, std::numeric_limits<float>::infinity(), 0.0F}));
  blocks.resize(20);
  quantize_blocks(GgmlType::f32, input, blocks);
  dequantize_blocks(GgmlType::f32, blocks, values);
  EXPECT_EQ(values, input);
}

TEST(GgmlTypes, BlocksOfZerosAndOfOneValueSurvive) {
  for (const GgmlType type : {GgmlType::q4_0, GgmlType::q4_1, GgmlType::q5_0, GgmlType::q5_1, GgmlType::q8_0}) {
    for (const float constant : {0.0F, 2.0F, -3.0F}) {
      const std::vector<float> input(32, constant);
      std::vector<std::byte> blocks(static_cast<size_t>(ggml_bytes(type, 32)));
      std::vector<float> values(32);
      quantize_blocks(type, input, blocks);
      dequantize_blocks(type, blocks, values);
      for (const float value : values)
        ASSERT_NEAR(value, constant, 0.002) << ggml_type_name(type);
    }
  }
}

TEST(GgmlTypes, ABlockWithInfinityOrNaNHarmsNothing) {
  std::vector<float> input(32, 1.0F);
  input[3] = std::numeric_limits<float>::infinity();
  input[4] = std::numeric_limits<float>::quiet_NaN();
  for (const GgmlType type : {GgmlType::q4_0, GgmlType::q4_1, GgmlType::q5_0, GgmlType::q5_1, GgmlType::q8_0}) {
    std::vector<std::byte> blocks(static_cast<size_t>(ggml_bytes(type, 32)));
    quantize_blocks(type, input, blocks);  // the sanitizers look at the casts
  }
}

TEST(GgmlTypes, TypesAreFoundByName) {
  EXPECT_EQ(ggml_type_from_name("q8_0"), GgmlType::q8_0);
  EXPECT_EQ(ggml_type_from_name("BF16"), GgmlType::bf16);
  EXPECT_EQ(ggml_type_from_name("Q4"), std::nullopt);
  EXPECT_EQ(ggml_type_from_name("IQ1_S"), std::nullopt) << "its values are not computed";
  EXPECT_EQ(quantizable_types(), "F32 F16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 BF16");
  EXPECT_FALSE(can_quantize(GgmlType::q4_k));
}

TEST(GgmlTypes, SixteenBitFloatsAreRead) {
  const std::vector<uint16_t> halves{0x3C00, 0xC000, 0x0001};
  std::vector<float> values(3);
  dequantize_blocks(GgmlType::f16, std::as_bytes(std::span(halves)), values);
  EXPECT_EQ(values, (std::vector<float>{1.0F, -2.0F, 0x1p-24F}));
  const std::vector<uint16_t> bfloats{0x3F80, 0xC000, 0x4049};
  dequantize_blocks(GgmlType::bf16, std::as_bytes(std::span(bfloats)), values);
  EXPECT_EQ(values, (std::vector<float>{1.0F, -2.0F, 3.140625F}));
}

TEST(GgmlTypes, NamesUnknownIds) {
  EXPECT_EQ(ggml_type_name(11), "Q3_K");
  EXPECT_EQ(ggml_type_name(77), "type 77");
  EXPECT_EQ(ggml_type_info(77), nullptr);
}

TEST(GgmlTypes, RefusesSizesThatDisagree) {
  std::vector<std::byte> bytes(18);
  std::vector<float> values(31);
  EXPECT_THROW(dequantize_blocks(GgmlType::q4_0, bytes, values), InternalError);
  values.resize(64);
  EXPECT_THROW(dequantize_blocks(GgmlType::q4_0, bytes, values), InternalError);
}

}  // namespace
}  // namespace afina::formats
