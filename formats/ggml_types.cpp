// SPDX-License-Identifier: Apache-2.0
#include "formats/ggml_types.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"

namespace afina::formats {
namespace {

struct TypeRow {
  uint32_t id;
  GgmlTypeInfo info;
};

// Q8_1 and Q8_K are made while multiplying and never stored; removed types have no size, so no tensor of them opens.
constexpr std::array<TypeRow, 43> kTypes{{
    {0, {"F32", 1, 4}},
    {1, {"F16", 1, 2}},
    {2, {"Q4_0", 32, 18}},
    {3, {"Q4_1", 32, 20}},
    {4, {"Q4_2 (removed)", 0, 0}},
    {5, {"Q4_3 (removed)", 0, 0}},
    {6, {"Q5_0", 32, 22}},
    {7, {"Q5_1", 32, 24}},
    {8, {"Q8_0", 32, 34}},
    {9, {"Q8_1", 0, 0}},
    {10, {"Q2_K", 256, 84}},
    {11, {"Q3_K", 256, 110}},
    {12, {"Q4_K", 256, 144}},
    {13, {"Q5_K", 256, 176}},
    {14, {"Q6_K", 256, 210}},
    {15, {"Q8_K", 0, 0}},
    {16, {"IQ2_XXS", 256, 66}},
    {17, {"IQ2_XS", 256, 74}},
    {18, {"IQ3_XXS", 256, 98}},
    {19, {"IQ1_S", 256, 50}},
    {20, {"IQ4_NL", 32, 18}},
    {21, {"IQ3_S", 256, 110}},
    {22, {"IQ2_S", 256, 82}},
    {23, {"IQ4_XS", 256, 136}},
    {24, {"I8", 1, 1}},
    {25, {"I16", 1, 2}},
    {26, {"I32", 1, 4}},
    {27, {"I64", 1, 8}},
    {28, {"F64", 1, 8}},
    {29, {"IQ1_M", 256, 56}},
    {30, {"BF16", 1, 2}},
    {31, {"Q4_0_4_4 (removed)", 0, 0}},
    {32, {"Q4_0_4_8 (removed)", 0, 0}},
    {33, {"Q4_0_8_8 (removed)", 0, 0}},
    {34, {"TQ1_0", 256, 54}},
    {35, {"TQ2_0", 256, 66}},
    {36, {"IQ4_NL_4_4 (removed)", 0, 0}},
    {37, {"IQ4_NL_4_8 (removed)", 0, 0}},
    {38, {"IQ4_NL_8_8 (removed)", 0, 0}},
    {39, {"MXFP4", 32, 17}},
    {40, {"NVFP4", 64, 36}},
    {41, {"Q1_0", 128, 18}},
    {42, {"Q2_0", 64, 18}},
}};

std::string names_of(bool (*wanted)(GgmlType)) {
  std::string names;
  for (const TypeRow& row : kTypes) {
    if (!wanted(static_cast<GgmlType>(row.id))) continue;
    if (!names.empty()) names += ' ';
    names += row.info.name;
  }
  return names;
}

}  // namespace

const GgmlTypeInfo* ggml_type_info(uint32_t id) {
  return id < kTypes.size() ? &kTypes[id].info : nullptr;
}

std::string ggml_type_name(uint32_t id) {
  const GgmlTypeInfo* info = ggml_type_info(id);
  return info != nullptr ? info->name : cat("type ", id);
}

std::optional<GgmlType> ggml_type_from_name(std::string_view name) {
  const auto same = [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; };
  for (const TypeRow& row : kTypes) {
    const auto type = static_cast<GgmlType>(row.id);
    const std::string_view known = row.info.name;
    if (can_dequantize(type) && std::equal(name.begin(), name.end(), known.begin(), known.end(), same)) return type;
  }
  return std::nullopt;
}

std::string dequantizable_types() {
  return names_of(can_dequantize);
}

std::string quantizable_types() {
  return names_of(can_quantize);
}

int64_t ggml_bytes(GgmlType type, int64_t elements) {
  const GgmlTypeInfo* info = ggml_type_info(static_cast<uint32_t>(type));
  AFINA_CHECK(info != nullptr && info->block_elements > 0, ggml_type_name(type));
  AFINA_CHECK(elements >= 0 && elements % info->block_elements == 0, elements);
  return elements / info->block_elements * info->block_bytes;
}

}  // namespace afina::formats
