// SPDX-License-Identifier: Apache-2.0
// The weights of a Hugging Face folder: one model.safetensors, or model.safetensors.index.json and its shards, seen as
// one list of tensors. Memory-mapped: opening copies headers only. Knows no layer names; writing is
// formats/safetensors_stream.h.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/safetensors.h"

namespace afina::formats {

/// Immutable after construction, so any thread may read; views live as long as the object.
class SafetensorsSet {
 public:
  /// `path` is a .safetensors file, an index (*.safetensors.index.json), or a folder that holds `model.safetensors` or
  /// `model.safetensors.index.json` (the single file wins where both are there, as in transformers). Throws NotFound,
  /// StorageError, or ModelError naming the file and tensor for everything SafetensorsFile refuses and for an index
  /// that is no JSON object with a weight_map of texts, names files other than plain base names ending in .safetensors,
  /// names a tensor its file does not hold, or has shards that hold a tensor it does not name or that another shard
  /// holds too. Unknown keys of the index are ignored.
  explicit SafetensorsSet(const std::filesystem::path& path);

  /// The folder, file or index that was given.
  const std::filesystem::path& path() const { return path_; }
  /// Every tensor, file after file, within a file in the order of the bytes.
  const std::vector<const TensorView*>& tensors() const { return tensors_; }
  /// The tensor of that name, or null.
  const TensorView* find(std::string_view name) const;
  /// Throws ModelError that names path, tensor and the nearest name.
  const TensorView& at(std::string_view name) const;
  /// The open files in the order of their names.
  const std::vector<SafetensorsFile>& files() const { return files_; }
  /// `__metadata__` of all files together; where two differ, the first file's text stands.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Sum of the tensors' bytes.
  uint64_t total_bytes() const;

 private:
  void open_index(const std::filesystem::path& index);
  void add_file(const std::filesystem::path& file);

  std::filesystem::path path_;
  std::vector<SafetensorsFile> files_;
  std::vector<const TensorView*> tensors_;
  std::unordered_map<std::string_view, const TensorView*> index_;  // names lie in the files
  std::map<std::string, std::string> metadata_;
};

/// Whether the folder holds weights that SafetensorsSet opens.
bool has_safetensors(const std::filesystem::path& folder);

}  // namespace afina::formats
