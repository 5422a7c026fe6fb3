// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/screen_wire.h"

#include "collector/body_entry.h"

namespace afina::collector {

std::optional<storage::Screen> read_screen(const Body& body) {
  if (!body.has("shown")) return std::nullopt;
  const BodyEntry entry(body.at("shown"), "shown", {"layout", "width_px", "height_px"});
  storage::Screen screen;
  if (!from_string(entry.text("layout", 40), screen.layout)) bad_field("shown.layout", "side_by_side or stacked");
  screen.width_px = static_cast<int>(entry.whole("width_px", 1, storage::kMaxViewportPx));
  screen.height_px = static_cast<int>(entry.whole("height_px", 1, storage::kMaxViewportPx));
  return screen;
}

}  // namespace afina::collector
