// SPDX-License-Identifier: Apache-2.0
// The small pieces that panels are made of. Sizes are in em (the current font size), text is never a format string.
#pragma once
#include <imgui.h>

#include <string>
#include <string_view>

#include "gui/style.h"
#include "gui/ui.h"
#include "gui/view_model/format.h"

namespace afina::gui {

inline float em(float count = 1.0F) {
  return count * ImGui::GetFontSize();
}

/// One line in a colour; no wrap.
void label(std::string_view text, Rgb rgb);
/// As label(), in the semibold face, `scale` times the current size.
void heading(const Ui& ui, std::string_view text, Rgb rgb, float scale = 1.0F);
/// Wrapped at the right edge of the content region.
void paragraph(std::string_view text, Rgb rgb);
/// One line of `width` pixels, ending in "…" where it does not fit; the whole text as tooltip then.
void clipped(std::string_view text, Rgb rgb, float width);
/// Ends at the right edge of the current cell or region.
void right_aligned(std::string_view text, Rgb rgb);
/// Text of small size in a rounded frame of its colour.
void pill(std::string_view text, Rgb rgb);
/// A filled square with one letter: the second cue beside a colour.
void letter_badge(const Ui& ui, std::string_view letter, Rgb rgb);

/// A command line in the mono face with a button that emits CopyText. `id` is its test name.
void command_line(const Ui& ui, const char* id, const std::string& command);
/// Centred title and hint, and the command line where there is one: what to do when there is nothing to show.
void empty_state(const Ui& ui, const char* id, std::string_view title, std::string_view hint,
                 const std::string& command);

/// "3 min ago".
std::string age_text(const Ui& ui, Time then);

/// The scale A much better … B much better with this vote on it, `width` pixels wide.
void vote_scale(const Ui& ui, int grade, float width);

/// A card's frame: raised background, border, own padding, height from its content unless given. Pair with end_card().
bool begin_card(const Ui& ui, const char* id, float width, float height = 0);
void end_card();

}  // namespace afina::gui
