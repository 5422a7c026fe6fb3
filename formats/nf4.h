// SPDX-License-Identifier: Apache-2.0
// NF4, the 4-bit normal float of QLoRA (arXiv 2305.14314), in the layout of bitsandbytes: packed codes, one scale
// (absmax) a block, the scales themselves in 8 bits with double quantisation, and the keys under which safetensors
// folders hold all that. Bit for bit bitsandbytes' CPU results in fp32. FP4 and INT8 are not here.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/safetensors_stream.h"

namespace afina::formats {

class SafetensorsSet;

/// The 16 values of NF4, ascending; code 7 is 0.
const std::array<float, 16>& nf4_code();
/// The 256 values of the dynamic 8-bit map that holds the scales under double quantisation, ascending.
const std::array<float, 256>& nf4_dynamic_map();
/// Powers of two from 32 to 4096.
bool is_nf4_block_size(int64_t block_size);

/// A quantised matrix whose bytes lie elsewhere (in a map, possibly misaligned, or in an Nf4Tensor).
struct Nf4View {
  std::span<const std::byte> packed;         ///< two codes a byte, the first element in the high nibble
  std::span<const std::byte> absmax;         ///< one scale a block: F32, or one byte each with double quantisation
  std::span<const std::byte> nested_absmax;  ///< F32, one each nested_block_size scales; empty: no double quantisation
  std::vector<int64_t> shape;
  int64_t block_size = 64;
  int64_t nested_block_size = 256;
  float nested_offset = 0;
  std::string dtype = "float32";  ///< that bitsandbytes dequantises to: "float32", "float16" or "bfloat16"
  std::array<float, 16> code{};
  std::array<float, 256> nested_code{};

  bool double_quant() const { return !nested_absmax.empty(); }
  int64_t elements() const;
  /// The scale of one block in fp32.
  float scale(int64_t block) const;
};

/// The same with its own memory.
struct Nf4Tensor {
  std::vector<uint8_t> packed;  ///< (elements + 1) / 2
  std::vector<float> absmax;    ///< ceil(elements / block_size); empty with double quantisation
  std::vector<int64_t> shape;
  int64_t block_size = 64;
  std::string dtype = "float32";
  bool double_quant = false;
  std::vector<uint8_t> absmax_codes;  ///< with double quantisation: ceil(elements / block_size)
  std::vector<float> nested_absmax;   ///< ceil(that / nested_block_size)
  float nested_offset = 0;
  int64_t nested_block_size = 256;

  /// Views into this object; valid while it lives and is not changed.
  Nf4View view() const;
};

/// Quantises row-major values (values.size() = product of shape, InternalError otherwise). dtype is the type the
/// values had, which dequantisation returns to. Throws UsageError for an illegal block size, DataError for a NaN or
/// infinite value. Thread-safe.
Nf4Tensor nf4_quantize(std::span<const float> values, std::vector<int64_t> shape, int64_t block_size = 64,
                       std::string dtype = "float32");
/// The same with its scales in 8 bits (block 256 around their mean), and back to fp32 scales.
Nf4Tensor nf4_double_quantize(Nf4Tensor tensor);
Nf4Tensor nf4_single_quantize(Nf4Tensor tensor);

/// Elements [first_element, first_element + out.size()) of the flattened matrix (InternalError beyond its end): code
/// times scale in fp32, then rounded to view.dtype as bitsandbytes does. Any range; thread-safe.
void nf4_dequantize(const Nf4View& view, int64_t first_element, std::span<float> out);

/// The NF4 matrix stored under `weight_name` ("model.layers.0.mlp.up_proj.weight"), or nothing where that tensor is
/// missing or not quantised. Views into the set. Throws ModelError naming the tensor and key where a companion is
/// missing, of a wrong type or length, or the quant_state is not what the format allows (FP4 included).
std::optional<Nf4View> find_nf4(const SafetensorsSet& set, std::string_view weight_name);
/// Whether `name` is one of the companions of an NF4 weight (".absmax", ".quant_map", ".quant_state.…", …).
bool is_nf4_companion(std::string_view name);

struct NamedBytes {
  TensorPlan plan;
  std::vector<std::byte> bytes;
};
/// The tensors of one quantised weight under bitsandbytes' keys, ready for SafetensorsStream.
std::vector<NamedBytes> nf4_tensors(const std::string& weight_name, const Nf4Tensor& tensor);
/// Their plans before the values are known (the quant_state is padded with spaces to a fixed length). Equal to the
/// plans of nf4_tensors() for the same arguments.
std::vector<TensorPlan> nf4_plans(const std::string& weight_name, const std::vector<int64_t>& shape, int64_t block_size,
                                  bool double_quant, const std::string& dtype);
/// `quantization_config` of config.json for a folder of such weights. compute_dtype as in Nf4View::dtype.
Json nf4_quantization_config(bool double_quant, const std::string& compute_dtype = "float32");

}  // namespace afina::formats
