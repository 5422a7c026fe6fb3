// SPDX-License-Identifier: Apache-2.0
// A file in the making, private to formats/: written at any offset in a temporary sibling, then renamed over the path.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace afina::formats {

/// Move-only. Not thread-safe. Destroying without commit() removes the temporary file.
class OutputFile {
 public:
  /// Makes the temporary sibling with `bytes` zero bytes. Throws StorageError.
  OutputFile(std::filesystem::path path, uint64_t bytes);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  /// Throws StorageError.
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  /// fsync, rename, fsync of the folder. Throws StorageError; then the old file stands.
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

}  // namespace afina::formats
