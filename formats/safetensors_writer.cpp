// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "formats/safetensors.h"

namespace afina::formats {
namespace {

void check_tensor(const TensorView& view) {
  if (view.name.empty() || view.name == "__metadata__" || view.name.size() > 512 || !is_valid_utf8(view.name)) {
    throw DataError(
        cat("[formats.safetensors] must write tensors under names of 1 to 512 bytes of UTF-8 that are not reserved, "
            "but got \"",
            repair_utf8(view.name), "\"."));
  }
  const auto bits = static_cast<uint64_t>(view.elements()) * static_cast<uint64_t>(dtype_bits(view.dtype));
  if (bits != view.bytes.size() * 8) {
    throw DataError(cat("[formats.safetensors] must write tensors whose bytes fit their shape, but \"", view.name,
                        "\" has ", view.bytes.size(), " bytes for ", bits, " bits."));
  }
}

std::vector<const TensorView*> sorted(std::span<const TensorView> tensors) {
  std::vector<const TensorView*> order;
  std::set<std::string_view> names;
  for (const TensorView& view : tensors) {
    check_tensor(view);
    if (!names.insert(view.name).second) {
      throw DataError(cat("[formats.safetensors] must write each name once, but \"", view.name, "\" comes twice."));
    }
    order.push_back(&view);
  }
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return a->dtype != b->dtype ? a->dtype > b->dtype : a->name < b->name;
  });
  return order;
}

}  // namespace

std::string safetensors_bytes(std::span<const TensorView> tensors, const std::map<std::string, std::string>& metadata) {
  const auto order = sorted(tensors);
  OrderedJson header = OrderedJson::object();
  header["__metadata__"] = {{"format", "pt"}};
  for (const auto& [key, value] : metadata)
    header["__metadata__"][key] = value;
  uint64_t offset = 0;
  for (const TensorView* view : order) {
    header[view->name] = {{"dtype", dtype_name(view->dtype)},
                          {"shape", view->shape},
                          {"data_offsets", {offset, offset + view->bytes.size()}}};
    offset += view->bytes.size();
  }
  std::string text = dump_json(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t size = text.size();
  std::string out(8, '\0');
  std::memcpy(out.data(), &size, 8);
  out.reserve(8 + text.size() + offset);
  out += text;
  for (const TensorView* view : order)
    out.append(reinterpret_cast<const char*>(view->bytes.data()), view->bytes.size());
  return out;
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_file_atomic(path, safetensors_bytes(tensors, metadata));
}

}  // namespace afina::formats
