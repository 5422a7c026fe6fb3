// SPDX-License-Identifier: Apache-2.0
// A picture in memory and as PNG, through libpng's simplified API.
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

namespace afina::gui {

/// 8-bit RGBA, rows from the top.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgba;  ///< [height, width, 4]
};

/// Atomic: the old file or the new one. Throws StorageError.
void write_png(const std::filesystem::path& path, const Image& image);
/// Throws NotFound, or DataError for a file that is no PNG or larger than 16384 × 16384.
Image read_png(const std::filesystem::path& path);

}  // namespace afina::gui
