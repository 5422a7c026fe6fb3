// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors_layout.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace afina::formats {
namespace {

void check_names(std::span<const TensorPlan> plans) {
  std::set<std::string_view> names;
  for (const TensorPlan& plan : plans) {
    if (plan.name.empty() || plan.name == "__metadata__" || plan.name.size() > 512 || !is_valid_utf8(plan.name)) {
      throw DataError(
          cat("[formats.safetensors] must write tensors under names of 1 to 512 bytes of UTF-8 that are not reserved, "
              "but got \"",
              repair_utf8(plan.name), "\"."));
    }
    if (!names.insert(plan.name).second) {
      throw DataError(cat("[formats.safetensors] must write each name once, but \"", plan.name, "\" comes twice."));
    }
  }
}

}  // namespace

uint64_t TensorPlan::bytes() const {
  uint64_t bits = static_cast<uint64_t>(dtype_bits(dtype));
  for (const int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(bits, static_cast<uint64_t>(dimension), &bits))
      throw DataError(cat("[formats.safetensors] must write shapes whose bits fit 64 bits, but \"", name,
                          "\" has a dimension ", dimension, "."));
  }
  if (bits % 8 != 0) {
    throw DataError(
        cat("[formats.safetensors] must write tensors that fill whole bytes, but \"", name, "\" has ", bits, " bits."));
  }
  return bits / 8;
}

SafetensorsLayout safetensors_layout(std::span<const TensorPlan> plans,
                                     const std::map<std::string, std::string>& metadata) {
  check_names(plans);
  SafetensorsLayout layout;
  layout.order.resize(plans.size());
  std::iota(layout.order.begin(), layout.order.end(), size_t{0});
  std::sort(layout.order.begin(), layout.order.end(), [&](size_t a, size_t b) {
    return plans[a].dtype != plans[b].dtype ? plans[a].dtype > plans[b].dtype : plans[a].name < plans[b].name;
  });
  OrderedJson header = OrderedJson::object();
  header["__metadata__"] = {{"format", "pt"}};
  for (const auto& [key, value] : metadata)
    header["__metadata__"][key] = value;
  layout.begin.resize(plans.size());
  layout.bytes.resize(plans.size());
  uint64_t offset = 0;
  for (const size_t i : layout.order) {
    const TensorPlan& plan = plans[i];
    layout.begin[i] = offset;
    layout.bytes[i] = plan.bytes();
    OrderedJson entry = {{"dtype", dtype_name(plan.dtype)}, {"shape", plan.shape}};
    entry["data_offsets"] = {offset, offset + layout.bytes[i]};
    // A map of a million entries in insertion order would be searched from its start for every new name.
    header.get_ref<OrderedJson::object_t&>().emplace_back(plan.name, std::move(entry));
    offset += layout.bytes[i];
  }
  std::string text = dump_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t size = text.size();
  layout.header.assign(reinterpret_cast<const char*>(&size), sizeof size);
  layout.header += text;
  for (uint64_t& begin : layout.begin)
    begin += layout.header.size();
  layout.file_bytes = layout.header.size() + offset;
  return layout;
}

}  // namespace afina::formats
