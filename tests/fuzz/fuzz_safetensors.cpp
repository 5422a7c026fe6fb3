// SPDX-License-Identifier: Apache-2.0
// Any bytes as a safetensors file: refused with a ModelError, or every tensor lies inside, apart from the others, and
// comes back from what we write of it.
#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "formats/safetensors.h"
#include "tests/fuzz/oracle.h"

namespace {

using afina::require;
using afina::formats::SafetensorsFile;
using afina::formats::TensorView;

void inside_and_apart(const SafetensorsFile& file, std::span<const std::byte> bytes) {
  const std::byte* end = bytes.data();
  for (const TensorView& view : file.tensors()) {
    require(view.bytes.data() >= end, "tensors do not overlap");
    end = view.bytes.data() + view.bytes.size();
    require(end <= bytes.data() + bytes.size(), "tensors lie inside the file");
    require(file.find(view.name) == &view, "every tensor is found by its name");
  }
}

void comes_back(const SafetensorsFile& file) {
  const std::string written = safetensors_bytes(file.tensors(), file.metadata());
  const SafetensorsFile again(std::as_bytes(std::span(written)), "written.safetensors");
  require(again.tensors().size() == file.tensors().size(), "as many tensors come back");
  for (const TensorView& view : file.tensors()) {
    const TensorView& copy = again.at(view.name);
    require(copy.dtype == view.dtype && copy.shape == view.shape, "dtype and shape come back");
    require(std::equal(copy.bytes.begin(), copy.bytes.end(), view.bytes.begin(), view.bytes.end()), "bytes come back");
  }
  auto metadata = file.metadata();
  metadata.try_emplace("format", "pt");
  require(again.metadata() == metadata, "metadata comes back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const SafetensorsFile file(bytes, "fuzz.safetensors");
    inside_and_apart(file, bytes);
    comes_back(file);
  } catch (const afina::ModelError&) {
    return 0;
  }
  return 0;
}
