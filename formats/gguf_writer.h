// SPDX-License-Identifier: Apache-2.0
// Writes GGUF version 3 (ggml docs/gguf.md), streamed: first keys and plans, then the bytes of each tensor in any
// order. Knows neither layers nor quantisation: the caller hands over ready blocks (formats/ggml_types.h makes them).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace afina::formats {

struct GgufTensorPlan {
  std::string name;
  GgmlType type = GgmlType::f32;
  std::vector<int64_t> shape;  ///< slowest first, as [out, in]; written reversed
};

/// llama.cpp's general.file_type for a file whose matrices are mostly of a type that can be written; nothing for
/// others.
std::optional<uint32_t> gguf_file_type(GgmlType type);
/// `wanted`, or F16 where rows of this length are no whole blocks of it.
GgmlType fitting_type(GgmlType wanted, int64_t row_length);

/// One file in the making. Not thread-safe. Memory: the metadata; tensors go straight to the file. The bytes lie in a
/// temporary sibling until finish(), so the path holds the old file or the whole new one, never a mix.
class GgufWriter {
 public:
  explicit GgufWriter(std::filesystem::path path);
  /// Removes the temporary file where finish() was not reached.
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  /// Copies every key for which keep(key) holds (all, where keep is empty), byte for byte and in order. `split.*` keys
  /// of a file in several parts are left out, since the new file is whole.
  void copy_metadata(const GgufFile& from, const std::function<bool(std::string_view key)>& keep = {});
  // Each sets one key: in place where it is there already, else at the end.
  void set_string(std::string_view key, std::string_view value);
  void set_u32(std::string_view key, uint32_t value);
  void set_u64(std::string_view key, uint64_t value);
  void set_i32(std::string_view key, int32_t value);
  void set_f32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_strings(std::string_view key, const std::vector<std::string>& values);
  void set_u32s(std::string_view key, std::span<const uint32_t> values);
  void set_i32s(std::string_view key, std::span<const int32_t> values);
  void set_f32s(std::string_view key, std::span<const float> values);
  /// Any value, as GgufFile::find_raw() gives it.
  void set_raw(std::string_view key, const GgufValue& value);
  void remove(std::string_view key);

  /// Plans one tensor; the file holds them in this order. All before begin_data().
  void add_tensor(GgufTensorPlan plan);
  /// Checks everything and writes header and infos. Throws DataError for a bad or double key or name (1 to 63 bytes of
  /// UTF-8), a shape that is not 1 to 4 dimensions above 0, rows that are not whole blocks, or a general.alignment that
  /// is no power of two from 8 to 4096; StorageError where the file cannot be written.
  void begin_data();
  /// The bytes of one planned tensor, ggml_bytes(type, elements) of them (DataError otherwise); each tensor once, in
  /// any order (InternalError otherwise). Throws StorageError.
  void write(std::string_view name, std::span<const std::byte> bytes);
  /// fsync and rename. Throws InternalError where a tensor was not written, StorageError.
  void finish();

  /// Bytes of the finished file; known after begin_data().
  uint64_t file_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace afina::formats
