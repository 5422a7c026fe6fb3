// SPDX-License-Identifier: Apache-2.0
#include "gui/image.h"

#include <png.h>

#include "base/error.h"
#include "base/file.h"

namespace afina::gui {

namespace {

png_image new_png() {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  return png;
}

}  // namespace

void write_png(const std::filesystem::path& path, const Image& image) {
  // Opaque screenshots lose their alpha here: a third smaller, and viewers do not blend them with their background.
  std::vector<uint8_t> rows;
  rows.reserve(static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3);
  for (size_t i = 0; i + 3 < image.rgba.size(); i += 4)
    rows.insert(rows.end(), &image.rgba[i], &image.rgba[i] + 3);
  png_image png = new_png();
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  png.flags = PNG_IMAGE_FLAG_FAST;  // no row filters: flat interface colours come out smaller without them
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string bytes(size, '\0');
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, rows.data(), 0, nullptr) == 0) {
    throw InternalError(cat("[gui.image] must encode ", path, ", but libpng said: ", png.message));
  }
  bytes.resize(size);
  write_file_atomic(path, bytes);
}

Image read_png(const std::filesystem::path& path) {
  const std::string bytes = read_file(path, size_t{256} << 20);
  png_image png = new_png();
  constexpr png_uint_32 kMaxSide = 16384;
  if (png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()) == 0 || png.width > kMaxSide ||
      png.height > kMaxSide) {
    const std::string reason = png.message;
    png_image_free(&png);
    throw DataError(cat("[gui.image] must be a PNG of at most 16384 × 16384, but ", path, " is not: ", reason));
  }
  png.format = PNG_FORMAT_RGBA;
  Image image{static_cast<int>(png.width), static_cast<int>(png.height), std::vector<uint8_t>(PNG_IMAGE_SIZE(png))};
  if (png_image_finish_read(&png, nullptr, image.rgba.data(), 0, nullptr) == 0) {
    throw DataError(cat("[gui.image] must be a whole PNG, but ", path, " is not: ", png.message));
  }
  return image;
}

}  // namespace afina::gui
