// SPDX-License-Identifier: Apache-2.0
#include "gui/fonts.h"

#include <imgui.h>

#include <array>
#include <system_error>

#include "base/cat.h"

namespace afina::gui {

namespace {

ImFont* add(const std::filesystem::path& file, float size_pixels, bool merge) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return nullptr;
  ImFontConfig config;
  config.MergeMode = merge;
  config.Flags |= ImFontFlags_NoLoadError;
  return ImGui::GetIO().Fonts->AddFontFromFileTTF(file.c_str(), size_pixels, &config);
}

std::string missing(const std::filesystem::path& file, const char* package) {
  return cat("[workbench.fonts] must find ", file.string(),
             ", but it is missing; another face stands in. Hint: apt-get install ", package);
}

ImFont* face(const std::filesystem::path& file, const std::filesystem::path& fallback, const char* package,
             float size_pixels, std::vector<std::string>& warnings) {
  ImFont* font = add(file, size_pixels, false);
  if (font == nullptr) warnings.push_back(missing(file, package));
  if (font != nullptr) {
    add(fallback, size_pixels, true);
    return font;
  }
  font = add(fallback, size_pixels, false);
  return font != nullptr ? font : ImGui::GetIO().Fonts->AddFontDefaultVector();
}

}  // namespace

Fonts load_fonts(const FontFiles& files, float size_pixels) {
  Fonts fonts;
  fonts.regular = face(files.regular, files.fallback, "fonts-inter", size_pixels, fonts.warnings);
  fonts.semibold = face(files.semibold, files.fallback, "fonts-inter", size_pixels, fonts.warnings);
  fonts.mono = face(files.mono, files.mono_fallback, "fonts-jetbrains-mono", size_pixels, fonts.warnings);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(files.fallback, ignored)) {
    fonts.warnings.push_back(missing(files.fallback, "fonts-dejavu-core"));
  }
  ImGui::GetIO().FontDefault = fonts.regular;
  ImGui::GetStyle().FontSizeBase = size_pixels;
  return fonts;
}

bool font_has_glyph(ImFont* font, char32_t code_point) {
  return font != nullptr && code_point <= IM_UNICODE_CODEPOINT_MAX &&
         font->IsGlyphInFont(static_cast<ImWchar>(code_point));
}

}  // namespace afina::gui
