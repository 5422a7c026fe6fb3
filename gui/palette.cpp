// SPDX-License-Identifier: Apache-2.0
#include "gui/palette.h"

#include <algorithm>
#include <cmath>

namespace afina::gui {

namespace {

double luminance(Rgb colour) {
  const auto linear = [](uint8_t channel) {
    const double c = channel / 255.0;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour.r) + 0.7152 * linear(colour.g) + 0.0722 * linear(colour.b);
}

// A and B are sky blue and orange: the pair of Okabe–Ito that differs most for every kind of colour vision.
constexpr Palette kDark = {
    .is_dark = true,
    .window = rgb(0x0E1116),
    .surface = rgb(0x14181F),
    .raised = rgb(0x1C222B),
    .hovered = rgb(0x262E3A),
    .selected = rgb(0x1F3347),
    .border = rgb(0x2E3743),
    .text = rgb(0xE8ECF1),
    .muted = rgb(0xA3AEBB),
    .accent = rgb(0x5CB8F0),
    .on_accent = rgb(0x08131C),
    .chosen = rgb(0x56B4E9),
    .rejected = rgb(0xE69F00),
    .tie = rgb(0xB4BCC6),
    .ok = rgb(0x2FC296),
    .warning = rgb(0xF0C239),
    .error = rgb(0xFF8A70),
    .series = {rgb(0x56B4E9), rgb(0xE69F00), rgb(0x009E73), rgb(0xF0E442), rgb(0xCC79A7), rgb(0xD55E00), rgb(0x3D97D6),
               rgb(0xD9DEE4)},
};

constexpr Palette kLight = {
    .is_dark = false,
    .window = rgb(0xE9ECF0),
    .surface = rgb(0xF8F9FB),
    .raised = rgb(0xFFFFFF),
    .hovered = rgb(0xE8EEF5),
    .selected = rgb(0xD8E8F6),
    .border = rgb(0xCBD2DA),
    .text = rgb(0x161B22),
    .muted = rgb(0x515B67),
    .accent = rgb(0x00609C),
    .on_accent = rgb(0xFFFFFF),
    .chosen = rgb(0x00609C),
    .rejected = rgb(0x8F4B00),
    .tie = rgb(0x4E5863),
    .ok = rgb(0x006B4D),
    .warning = rgb(0x7A5600),
    .error = rgb(0xA83200),
    .series = {rgb(0x0072B2), rgb(0xD55E00), rgb(0x00865F), rgb(0xB0559A), rgb(0x9A6B00), rgb(0x2B87BF), rgb(0x7D7500),
               rgb(0x000000)},
};

}  // namespace

double contrast(Rgb a, Rgb b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

Rgb blend(Rgb a, Rgb b, double share) {
  const auto mix = [share](uint8_t x, uint8_t y) {
    return static_cast<uint8_t>(std::lround(share * x + (1 - share) * y));
  };
  return {mix(a.r, b.r), mix(a.g, b.g), mix(a.b, b.b)};
}

const Palette& dark_palette() {
  return kDark;
}
const Palette& light_palette() {
  return kLight;
}

}  // namespace afina::gui
