// SPDX-License-Identifier: Apache-2.0
// Values as text for the screen: numbers, times, ids, and people's text made safe to draw. Pure functions.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "gui/view_model/data.h"

namespace afina::gui {

/// "1 234 567": groups of three, a thin gap (U+202F) between.
std::string with_groups(int64_t value);
/// Fixed decimals, U+2212 for minus; "–" where there is none or it is not finite.
std::string fixed(std::optional<double> value, int decimals);
/// "2.0e-05": for learning rates. "–" as above.
std::string scientific(std::optional<double> value, int decimals);
/// 0.731 → "73.1 %".
std::string percent(std::optional<double> share, int decimals);

/// "2026-11-21 12:40" in UTC.
std::string date_time(Time time);
/// "12:40:03" in UTC.
std::string time_of_day(Time time);

enum class AgeUnit { now, minutes, hours, days };
struct Age {
  AgeUnit unit = AgeUnit::now;  ///< now: under a minute, or in the future
  int64_t count = 0;
};
Age age(Time then, Time now);

/// The last 8 characters: of a UUIDv7 the random part, which differs where the first 8 (time) are alike.
std::string short_id(std::string_view id);

/// The first line, at most `max_code_points` long, "…" where something was cut.
std::string one_line(std::string_view text, size_t max_code_points);

/// `text` as it can be drawn: invalid bytes become U+FFFD, a code point for which `has_glyph` is false becomes a badge
/// "[U+1F9C9]", invisible joiners and variation selectors are left out, tabs and new lines stay. At most
/// `max_code_points` of the input are shown, then "…". Stored text never changes.
std::string drawable_text(std::string_view text, const std::function<bool(char32_t)>& has_glyph,
                          size_t max_code_points = 20'000);

}  // namespace afina::gui
