// SPDX-License-Identifier: Apache-2.0
// GGUF version 2 and 3 (ggml docs/gguf.md): a checked, memory-mapped reader, split files (X-00001-of-00003.gguf)
// included. Gives typed metadata and tensors with shapes in Hugging Face order; knows nothing of layers or of the q/k
// row permutation, which model/ undoes. Writing is formats/gguf_writer.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "formats/ggml_types.h"

namespace afina::formats {

/// Value types of the metadata, with the numbers of the format.
enum class GgufValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// One metadata value as it lies in the file, for faithful copies and for listings.
struct GgufValue {
  GgufValueType type = GgufValueType::u8;  ///< of the elements, for an array (arrays are flat)
  bool is_array = false;
  uint64_t count = 1;                ///< elements; 1 for a scalar
  std::span<const std::byte> bytes;  ///< the element(s), strings with their u64 length each; without type and count
};
/// "u32", "string", …
std::string_view gguf_type_word(GgufValueType type);

struct GgufTensor {
  std::string name;
  GgmlType type = GgmlType::f32;
  std::vector<int64_t> shape;        ///< slowest first, as [out, in]; the last dimension is the row
  std::span<const std::byte> bytes;  ///< raw blocks, row after row
  uint64_t file_offset = 0;          ///< of bytes, from the start of its file
  int part = 0;                      ///< which of GgufFile::files() holds it

  int64_t row_length() const { return shape.back(); }
  int64_t rows() const;
  int64_t elements() const { return rows() * row_length(); }
};

/// Dequantises the whole tensor. out has tensor.elements() entries (InternalError otherwise). Throws ModelError naming
/// tensor and type where can_dequantize(tensor.type) is false. Thread-safe.
void dequantize(const GgufTensor& tensor, std::span<float> out);
/// Rows [first, first + count), out has count * row_length() entries. Thread-safe.
void dequantize_rows(const GgufTensor& tensor, int64_t first, int64_t count, std::span<float> out);

/// One open file. Immutable after construction, so any thread may read; views and strings live as long as the object.
class GgufFile {
 public:
  /// Maps the file and checks everything before its data. Throws NotFound, StorageError, or ModelError naming the file
  /// and the key or tensor for anything the format or our caps forbid (65,536 keys or tensors, strings of 1 MiB, arrays
  /// of 2^24). The first file of a split set opens all of them; another part, or a set with a file missing or foreign,
  /// is a ModelError that names the first one. A file without tensors (vocabulary only) opens too.
  explicit GgufFile(const std::filesystem::path& path);
  /// A file in memory, which the caller keeps as long as the object; `name` stands in errors.
  GgufFile(std::span<const std::byte> bytes, const std::filesystem::path& name);

  const std::filesystem::path& path() const { return path_; }
  /// All files of the set, this one first; one where the file is whole.
  const std::vector<std::filesystem::path>& files() const { return files_; }
  /// In the order of the file.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find(std::string_view name) const;
  /// Throws ModelError that names file, tensor and the nearest name.
  const GgufTensor& at(std::string_view name) const;

  /// Metadata keys in the order of the file.
  const std::vector<std::string>& keys() const { return keys_; }
  bool has(std::string_view key) const { return find_raw(key) != nullptr; }
  /// The value as it lies in the file, or null.
  const GgufValue* find_raw(std::string_view key) const;

  // find_…: nothing where the key is missing; ModelError naming the key where its type does not fit. The others throw
  // ModelError also where it is missing. Any integer width serves for integers; numbers also accept integers.
  std::optional<int64_t> find_integer(std::string_view key) const;
  std::optional<double> find_number(std::string_view key) const;
  std::optional<bool> find_boolean(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;
  std::optional<std::vector<std::string_view>> find_strings(std::string_view key) const;
  std::optional<std::vector<int64_t>> find_integers(std::string_view key) const;
  std::optional<std::vector<float>> find_numbers(std::string_view key) const;
  int64_t integer(std::string_view key) const { return required(find_integer(key), key); }
  double number(std::string_view key) const { return required(find_number(key), key); }
  bool boolean(std::string_view key) const { return required(find_boolean(key), key); }
  std::string_view string(std::string_view key) const { return required(find_string(key), key); }
  std::vector<std::string_view> strings(std::string_view key) const { return required(find_strings(key), key); }
  std::vector<int64_t> integers(std::string_view key) const { return required(find_integers(key), key); }
  std::vector<float> numbers(std::string_view key) const { return required(find_numbers(key), key); }

 private:
  friend class GgufParser;

  struct Part {};  // one file, whatever it says of others
  GgufFile(const std::filesystem::path& path, Part);
  void open_parts();
  void add_part(const std::filesystem::path& path, int number, int64_t count);
  [[noreturn]] void throw_missing(std::string_view key) const;
  [[noreturn]] void throw_type(std::string_view key, const char* wanted, const GgufValue& value) const;
  int64_t read_integer(std::string_view key, const GgufValue& value, uint64_t index) const;
  double read_number(std::string_view key, const GgufValue& value, uint64_t index) const;
  template <typename T>
  T required(std::optional<T> value, std::string_view key) const {
    if (!value) throw_missing(key);
    return std::move(*value);
  }

  std::filesystem::path path_;
  std::vector<std::filesystem::path> files_;
  std::vector<MappedFile> maps_;
  std::vector<GgufTensor> tensors_;
  std::vector<std::string> keys_;
  std::unordered_map<std::string, GgufValue> values_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace afina::formats
