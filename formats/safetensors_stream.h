// SPDX-License-Identifier: Apache-2.0
// Streaming writers of safetensors: all plans first (the header comes first in the file), then the bytes of each tensor
// in any order; one tensor in memory at most, and that one the caller's. One file, or shards with an index as
// transformers writes them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/dtype.h"

namespace afina::formats {

struct TensorPlan {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  ///< empty: a scalar; a dimension may be 0

  /// Bytes of the tensor. Throws DataError for a negative dimension, overflow, or bits that do not fill bytes.
  uint64_t bytes() const;
};

/// One file. Not thread-safe. The bytes lie in a temporary sibling until finish(); destroying before that removes it.
class SafetensorsStream {
 public:
  /// Writes the header: tensors sorted by dtype (widest alignment first), then name; `"format":"pt"` in the metadata
  /// unless given otherwise. Throws DataError for a duplicate or reserved name (1 to 512 bytes of UTF-8), StorageError.
  SafetensorsStream(std::filesystem::path path, std::vector<TensorPlan> plans,
                    const std::map<std::string, std::string>& metadata = {});
  ~SafetensorsStream();
  SafetensorsStream(SafetensorsStream&&) noexcept;
  SafetensorsStream& operator=(SafetensorsStream&&) noexcept;

  /// The bytes of one planned tensor, in C order (DataError where their number is not the plan's); each once
  /// (InternalError otherwise). Throws StorageError.
  void write(std::string_view name, std::span<const std::byte> bytes);
  /// fsync and rename. Throws InternalError where a tensor was not written, StorageError.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 5 GB, decimal, as transformers counts.
inline constexpr uint64_t kDefaultShardBytes = 5'000'000'000;

/// `model.safetensors` where everything fits max_shard_bytes, else `model-00001-of-0000N.safetensors` and
/// `model.safetensors.index.json` (indent 2, sorted, total_size = bytes of the tensors). Tensors go to shards in the
/// order of the plans; one larger than the limit gets a shard of its own. Not thread-safe.
class ShardedSafetensors {
 public:
  /// The folder is made where needed. Files of other names are left alone. Throws as SafetensorsStream.
  ShardedSafetensors(std::filesystem::path folder, std::vector<TensorPlan> plans,
                     uint64_t max_shard_bytes = kDefaultShardBytes,
                     const std::map<std::string, std::string>& metadata = {});

  void write(std::string_view name, std::span<const std::byte> bytes);
  /// Finishes every shard, then the index. A crash between leaves shards without an index, which nobody opens.
  void finish();
  /// Base names of the weight files, in order.
  const std::vector<std::string>& files() const { return files_; }

 private:
  std::filesystem::path folder_;
  uint64_t total_bytes_ = 0;
  std::vector<std::string> files_;
  std::vector<SafetensorsStream> shards_;
  std::unordered_map<std::string, size_t> shard_of_;
};

}  // namespace afina::formats
