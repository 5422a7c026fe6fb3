// SPDX-License-Identifier: Apache-2.0
#include "storage/judgements/screen.h"

#include "base/cat.h"
#include "base/error.h"
#include "base/words.h"

namespace afina::storage {
namespace {

constexpr Words<Layout, 2> kLayouts{{{Layout::side_by_side, "side_by_side"}, {Layout::stacked, "stacked"}}};

}  // namespace

std::string_view to_string(Layout value) {
  return word_of(kLayouts, value);
}
bool from_string(std::string_view word, Layout& out) {
  return value_of(kLayouts, word, out);
}

void check_screen(const std::optional<Screen>& screen) {
  if (!screen) return;
  for (const int size : {screen->width_px, screen->height_px}) {
    if (size < 1 || size > kMaxViewportPx) {
      throw DataError(cat("[storage.judgements] a window must be 1 to ", kMaxViewportPx,
                          " CSS pixels wide and high, but is ", screen->width_px, " x ", screen->height_px, "."));
    }
  }
}

std::string screen_text(const Screen& screen) {
  return cat(to_string(screen.layout), ' ', screen.width_px, 'x', screen.height_px);
}

}  // namespace afina::storage
