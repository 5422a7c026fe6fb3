// SPDX-License-Identifier: Apache-2.0
// The block types of GGUF tensors (ggml-common.h): names, block sizes, and dequantisation to fp32. Each value is
// computed as rounded fp32 operations in the reference's order, without fused multiply-add, so results equal the
// reference bit for bit.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace afina::formats {

enum class GgmlType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30
};

struct GgmlTypeInfo {
  const char* name;    ///< "Q4_1"
  int block_elements;  ///< values in a block; 0: known by name only, cannot be read
  int block_bytes;
};

/// The row of the type table, or null for an id that no release of ggml used.
const GgmlTypeInfo* ggml_type_info(uint32_t id);
/// "Q4_1", or "type 77" for an unknown id.
std::string ggml_type_name(uint32_t id);

/// Dequantises whole blocks. out.size() must be a multiple of the block and blocks.size() fit it exactly
/// (InternalError). Thread-safe. NaN or infinite scales pass through.
void dequantize_blocks(GgmlType type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace afina::formats
