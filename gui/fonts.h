// SPDX-License-Identifier: Apache-2.0
// The three faces of the interface from the system's font packages: Inter, its semibold, JetBrains Mono, each with
// DejaVu merged in for what they lack. A missing file falls back (DejaVu, then the face inside ImGui) with a warning;
// it is never an assertion. Drawing thread only.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

struct ImFont;

namespace afina::gui {

struct FontFiles {
  std::filesystem::path regular = "/usr/share/fonts/opentype/inter/Inter-Regular.otf";
  std::filesystem::path semibold = "/usr/share/fonts/opentype/inter/Inter-SemiBold.otf";
  std::filesystem::path mono = "/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Regular.ttf";
  std::filesystem::path fallback = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
  std::filesystem::path mono_fallback = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";
};

/// Owned by the ImGui context's atlas.
struct Fonts {
  ImFont* regular = nullptr;
  ImFont* semibold = nullptr;
  ImFont* mono = nullptr;
  std::vector<std::string> warnings;  ///< one a missing file, with the Debian package that brings it
};

/// Adds the faces to the current context's atlas and makes `size_pixels` the base size. Call once a context.
Fonts load_fonts(const FontFiles& files, float size_pixels);

/// Whether `font` or what was merged into it can draw the code point. Cheap after the first call for each code point.
bool font_has_glyph(ImFont* font, char32_t code_point);

}  // namespace afina::gui
