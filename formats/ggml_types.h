// SPDX-License-Identifier: Apache-2.0
// The block types of GGUF tensors (ggml-common.h): names, geometry, dequantisation to fp32 and the reference quantisers
// without an importance matrix. Each value is computed as rounded fp32 operations in the reference's order, without
// fused multiply-add, so results equal the reference bit for bit. The search quantisers of the K and IQ types are not
// here: llama-quantize makes those from our F16, BF16 or Q8_0.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace afina::formats {

/// The types whose values we compute. A file may hold others (IQ1_S, I32, …): their id is kept, their bytes can be
/// copied, and can_dequantize() says no.
enum class GgmlType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  mxfp4 = 39,
  nvfp4 = 40,
  q1_0 = 41,
  q2_0 = 42
};

struct GgmlTypeInfo {
  const char* name;    ///< "Q4_1"
  int block_elements;  ///< values in a block; 0: known by name only, a tensor of it cannot be sized
  int block_bytes;
};

/// The row of the type table, or null for an id that no release of ggml used.
const GgmlTypeInfo* ggml_type_info(uint32_t id);
/// "Q4_1", or "type 77" for an unknown id.
std::string ggml_type_name(uint32_t id);
inline std::string ggml_type_name(GgmlType type) {
  return ggml_type_name(static_cast<uint32_t>(type));
}
/// The type of that name in either case ("q8_0", "BF16"), or nothing where there is none or its values are not computed
/// here.
std::optional<GgmlType> ggml_type_from_name(std::string_view name);
/// "F32 F16 …": the types with can_dequantize() or can_quantize(), for messages.
std::string dequantizable_types();
std::string quantizable_types();

/// Bytes of that many elements of the type; elements must be whole blocks of a sized type (InternalError).
int64_t ggml_bytes(GgmlType type, int64_t elements);

/// Whether dequantize_blocks() computes this type.
bool can_dequantize(GgmlType type);
/// Dequantises whole blocks. out.size() must be a multiple of the block and blocks.size() fit it exactly
/// (InternalError, also for a type without can_dequantize()). Thread-safe. NaN or infinite scales pass through.
void dequantize_blocks(GgmlType type, std::span<const std::byte> blocks, std::span<float> out);

/// Whether quantize_blocks() makes this type: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0.
bool can_quantize(GgmlType type);
/// Quantises whole blocks exactly as ggml's reference functions (quantize_row_*_ref). values.size() must be whole
/// blocks and out.size() their bytes (InternalError, also for a type without can_quantize()). Thread-safe. A NaN among
/// the values of a block gives a block of no use; check before, where it can happen.
void quantize_blocks(GgmlType type, std::span<const float> values, std::span<std::byte> out);

}  // namespace afina::formats
