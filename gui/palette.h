// SPDX-License-Identifier: Apache-2.0
// The colours of the workbench by meaning, dark and light, and the contrast arithmetic that holds them to WCAG 2.2. Not
// ImGui: gui/style.h applies a palette. Series colours are Okabe–Ito's (jfly.uni-koeln.de/color), which people with
// colour-blindness tell apart; where one is too faint for a theme's background it is darkened or lightened in its hue.
#pragma once
#include <array>
#include <cstdint>

namespace afina::gui {

struct Rgb {
  uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Rgb&) const = default;
};

constexpr Rgb rgb(uint32_t hex) {
  return {static_cast<uint8_t>(hex >> 16 & 255), static_cast<uint8_t>(hex >> 8 & 255), static_cast<uint8_t>(hex & 255)};
}

/// WCAG 2.2 contrast ratio, 1 … 21.
double contrast(Rgb a, Rgb b);
/// `share` of a over b, 0 … 1, in sRGB as the screen blends.
Rgb blend(Rgb a, Rgb b, double share);

struct Palette {
  bool is_dark = true;
  Rgb window;    ///< behind everything
  Rgb surface;   ///< panels
  Rgb raised;    ///< cards, inputs, table headers
  Rgb hovered;   ///< a raised thing under the pointer
  Rgb selected;  ///< the chosen row
  Rgb border;
  Rgb text;
  Rgb muted;      ///< secondary text, still ≥ 4.5:1 on every background above
  Rgb accent;     ///< links, focus, the next step
  Rgb on_accent;  ///< text on accent
  Rgb chosen;     ///< answer A's side, and what was preferred
  Rgb rejected;   ///< answer B's side
  Rgb tie;
  Rgb ok;
  Rgb warning;
  Rgb error;
  std::array<Rgb, 8> series;
};

const Palette& dark_palette();
const Palette& light_palette();

}  // namespace afina::gui
