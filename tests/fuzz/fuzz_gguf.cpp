// SPDX-License-Identifier: Apache-2.0
// Any bytes as a GGUF file: refused with a ModelError, or every tensor lies inside, apart from the others, is
// dequantised without a fault, and comes back with all metadata from what we write of it.
#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "formats/gguf_writer.h"
#include "tests/fuzz/oracle.h"
#include "tests/support/temp_folder.h"

namespace {

using afina::require;
using afina::formats::GgufFile;
using afina::formats::GgufTensor;
using afina::formats::GgufValue;
using afina::formats::GgufWriter;

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void inside_and_apart(const GgufFile& file, std::span<const std::byte> bytes) {
  uint64_t end = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    require(tensor.file_offset >= end, "tensors do not overlap");
    end = tensor.file_offset + tensor.bytes.size();
    require(end <= bytes.size(), "tensors lie inside the file");
    require(static_cast<int64_t>(tensor.bytes.size()) == ggml_bytes(tensor.type, tensor.elements()), "sizes agree");
    if (!can_dequantize(tensor.type)) continue;
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    dequantize(tensor, values);
  }
}

void comes_back(const GgufFile& file) {
  static const afina::TempFolder folder;
  const auto path = folder.path() / "written.gguf";
  GgufWriter writer(path);
  writer.copy_metadata(file);
  for (const GgufTensor& tensor : file.tensors())
    writer.add_tensor({tensor.name, tensor.type, tensor.shape});
  writer.begin_data();
  for (const GgufTensor& tensor : file.tensors())
    writer.write(tensor.name, tensor.bytes);
  writer.finish();
  const GgufFile again(path);
  require(again.keys() == file.keys(), "keys come back in order");
  for (const std::string& key : file.keys()) {
    const GgufValue &value = *file.find_raw(key), &copy = *again.find_raw(key);
    require(copy.type == value.type && copy.is_array == value.is_array && copy.count == value.count, "types come back");
    require(same(copy.bytes, value.bytes), "values come back");
  }
  require(again.tensors().size() == file.tensors().size(), "as many tensors come back");
  for (const GgufTensor& tensor : file.tensors()) {
    const GgufTensor& copy = again.at(tensor.name);
    require(copy.type == tensor.type && copy.shape == tensor.shape, "type and shape come back");
    require(same(copy.bytes, tensor.bytes), "bytes come back");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const GgufFile file(bytes, "fuzz.gguf");
    inside_and_apart(file, bytes);
    comes_back(file);
  } catch (const afina::ModelError&) {
    return 0;
  }
  return 0;
}
