// SPDX-License-Identifier: Apache-2.0
// Files: whole reads, atomic writes (temporary sibling, fsync, rename, fsync of the folder) and read-only maps.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace afina {

/// The whole file. Throws NotFound where it is missing, StorageError where it cannot be read, DataError above
/// max_bytes.
std::string read_file(const std::filesystem::path& path, size_t max_bytes = size_t{1} << 32);
/// Old content or new content, never a mix, also across power loss. Throws StorageError; then the old file stands.
void write_file_atomic(const std::filesystem::path& path, std::string_view content);
/// Writes and fsyncs a new file in place (for files inside a folder that is renamed later).
void write_file_synced(const std::filesystem::path& path, std::string_view content);
/// fsync of a file or folder. Throws StorageError: a failed fsync is never ignored.
void sync_path(const std::filesystem::path& path);

/// A read-only map of a whole regular file; move-only; bytes() lives as long as the object.
class MappedFile {
 public:
  /// Throws NotFound or StorageError. An empty file gives an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace afina
