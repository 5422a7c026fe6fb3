// SPDX-License-Identifier: Apache-2.0
// A palette applied to Dear ImGui and ImPlot, and the only conversions from our colours to theirs: panels name colours
// by meaning and hold no literal. Drawing thread only.
#pragma once
#include <imgui.h>

#include <cmath>

#include "gui/palette.h"

namespace afina::gui {

/// Sizes follow the base font size, so that one number scales the interface.
void apply_style(const Palette& palette, float font_size_pixels);

inline ImU32 colour(Rgb rgb, float alpha = 1.0F) {
  return IM_COL32(rgb.r, rgb.g, rgb.b, static_cast<int>(std::lround(alpha * 255.0F)));
}
inline ImVec4 colour_vec(Rgb rgb, float alpha = 1.0F) {
  return {static_cast<float>(rgb.r) / 255.0F, static_cast<float>(rgb.g) / 255.0F, static_cast<float>(rgb.b) / 255.0F,
          alpha};
}

}  // namespace afina::gui
