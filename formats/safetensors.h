// SPDX-License-Identifier: Apache-2.0
// safetensors files (huggingface/safetensors README): a checked, memory-mapped reader of one file and an atomic writer.
// Not shards (formats/safetensors_set.h, formats/safetensors_stream.h) and not names of layers: those belong to model/.
// Every offset is checked before any data is touched.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "formats/dtype.h"

namespace afina::formats {

/// A tensor in C order whose bytes lie elsewhere (in a map or in the caller's memory), little-endian and possibly
/// misaligned.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  ///< empty: a scalar; a dimension may be 0
  std::span<const std::byte> bytes;

  int64_t elements() const;
};

/// One open file. Immutable after construction, so any thread may read; views live as long as the object.
class SafetensorsFile {
 public:
  /// Maps the file and checks the whole header. Throws NotFound, StorageError, or ModelError naming file and tensor for
  /// anything that the format or our caps (500,000 tensors, names of 512 bytes) forbid: truncation, trailing bytes,
  /// holes, overlap, duplicate keys, overflow, unknown dtypes.
  explicit SafetensorsFile(const std::filesystem::path& path);
  /// A file in memory, which the caller keeps as long as the object; `name` stands in errors.
  SafetensorsFile(std::span<const std::byte> bytes, const std::filesystem::path& name);

  const std::filesystem::path& path() const { return path_; }
  /// In the order of their bytes in the file.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  /// The tensor of that name, or null.
  const TensorView* find(std::string_view name) const;
  /// The tensor of that name. Throws ModelError that names file, tensor and the nearest name.
  const TensorView& at(std::string_view name) const;
  /// `__metadata__`, empty where the file has none.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  void read(std::span<const std::byte> bytes);

  std::filesystem::path path_;
  std::optional<MappedFile> map_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, size_t> index_;  // names lie in tensors_
  std::map<std::string, std::string> metadata_;
};

/// Copies a floating-point tensor (F64, F32, F16, BF16, F8_E4M3, F8_E5M2) to fp32. out has view.elements() entries.
/// Throws ModelError naming the tensor for another dtype.
void copy_to_float(const TensorView& view, std::span<float> out);
/// Rounds fp32 values to F32, F16 or BF16 (to nearest even) as bytes of a tensor; out has values.size() elements of
/// dtype. InternalError for another dtype or size.
void from_float(DType dtype, std::span<const float> values, std::span<std::byte> out);

/// Writes tensors sorted by dtype (widest alignment first), then name, with `"format":"pt"` in the metadata, as a
/// temporary sibling that is fsynced and renamed: the old file or the new one, never a mix. Throws DataError for a
/// duplicate or reserved name or bytes that do not fit the shape, StorageError where the file cannot be written.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata = {});
/// The same bytes in memory, for tests and for files inside a folder that is renamed as a whole.
std::string safetensors_bytes(std::span<const TensorView> tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace afina::formats
