// SPDX-License-Identifier: Apache-2.0
// How answers stood before a person: beside each other, or one below the other as on a phone. Their page measures it
// and sends it with the act; a vote's "left" is the upper one where they are stacked.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace afina::storage {

/// side_by_side: at least two answers begin on one line.
enum class Layout { side_by_side, stacked };
std::string_view to_string(Layout value);
bool from_string(std::string_view word, Layout& out);

inline constexpr int kMaxViewportPx = 20'000;

struct Screen {
  Layout layout = Layout::side_by_side;
  int width_px = 0, height_px = 0;  ///< inside of the window, CSS pixels, 1..kMaxViewportPx; 0 once they were erased
  bool operator==(const Screen&) const = default;
};

/// Throws DataError for a size out of range; nothing for no screen.
void check_screen(const std::optional<Screen>& screen);
/// Canonical text of it, for the hash that guards an idempotency key.
std::string screen_text(const Screen& screen);

}  // namespace afina::storage
