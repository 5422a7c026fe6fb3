// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/safetensors_layout.h"
#include "formats/safetensors_stream.h"

namespace afina::formats {
namespace {

std::vector<TensorPlan> plans_of(std::span<const TensorView> tensors) {
  std::vector<TensorPlan> plans;
  for (const TensorView& view : tensors) {
    plans.push_back({view.name, view.dtype, view.shape});
    const uint64_t bytes = plans.back().bytes();
    if (bytes != view.bytes.size()) {
      throw DataError(cat("[formats.safetensors] must write tensors whose bytes fit their shape, but \"", view.name,
                          "\" has ", view.bytes.size(), " bytes for ", bytes, "."));
    }
  }
  return plans;
}

}  // namespace

std::string safetensors_bytes(std::span<const TensorView> tensors, const std::map<std::string, std::string>& metadata) {
  const SafetensorsLayout layout = safetensors_layout(plans_of(tensors), metadata);
  std::string out = layout.header;
  out.reserve(layout.file_bytes);
  for (const size_t i : layout.order)
    out.append(reinterpret_cast<const char*>(tensors[i].bytes.data()), tensors[i].bytes.size());
  return out;
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  SafetensorsStream stream(path, plans_of(tensors), metadata);
  for (const TensorView& view : tensors)
    stream.write(view.name, view.bytes);
  stream.finish();
}

void from_float(DType dtype, std::span<const float> values, std::span<std::byte> out) {
  AFINA_CHECK(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16, dtype_name(dtype));
  AFINA_CHECK(out.size() == values.size() * static_cast<size_t>(dtype_bits(dtype)) / 8, out.size());
  if (dtype == DType::f32) {
    if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = dtype == DType::f16 ? float_to_half(values[i]) : float_to_bfloat16(values[i]);
    std::memcpy(out.data() + 2 * i, &bits, 2);
  }
}

}  // namespace afina::formats
