// SPDX-License-Identifier: Apache-2.0
#include "gui/widgets.h"

#include <imgui_internal.h>

#include <algorithm>

#include "gui/view_model/votes.h"

namespace afina::gui {

namespace {

void unformatted(std::string_view text) {
  ImGui::TextUnformatted(text.data(), text.data() + text.size());
}

float text_width(std::string_view text) {
  return ImGui::CalcTextSize(text.data(), text.data() + text.size()).x;
}

void centred(std::string_view text, float width) {
  const float left = std::max(0.0F, (width - text_width(text)) / 2);
  ImGui::SetCursorPosX(ImGui::GetCursorPosX() + left);
  unformatted(text);
}

}  // namespace

void label(std::string_view text, Rgb rgb) {
  ImGui::PushStyleColor(ImGuiCol_Text, colour(rgb));
  unformatted(text);
  ImGui::PopStyleColor();
}

void heading(const Ui& ui, std::string_view text, Rgb rgb, float scale) {
  ImGui::PushFont(ui.fonts.semibold, ImGui::GetStyle().FontSizeBase * scale);
  label(text, rgb);
  ImGui::PopFont();
}

void paragraph(std::string_view text, Rgb rgb) {
  ImGui::PushTextWrapPos(0.0F);
  label(text, rgb);
  ImGui::PopTextWrapPos();
}

void clipped(std::string_view text, Rgb rgb, float width) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const ImVec2 size = ImGui::CalcTextSize(text.data(), text.data() + text.size());
  if (size.x <= width) return label(text, rgb);
  ImGui::Dummy({width, size.y});
  ImGui::PushStyleColor(ImGuiCol_Text, colour(rgb));
  ImGui::RenderTextEllipsis(ImGui::GetWindowDrawList(), at, {at.x + width, at.y + size.y + em(0.4F)}, at.x + width,
                            text.data(), text.data() + text.size(), &size);
  ImGui::PopStyleColor();
  if (ImGui::IsItemHovered() && ImGui::BeginTooltip()) {
    ImGui::PushTextWrapPos(em(30));
    unformatted(text);
    ImGui::PopTextWrapPos();
    ImGui::EndTooltip();
  }
}

void right_aligned(std::string_view text, Rgb rgb) {
  const float space = ImGui::GetContentRegionAvail().x - text_width(text);
  if (space > 0) ImGui::SetCursorPosX(ImGui::GetCursorPosX() + space);
  label(text, rgb);
}

void pill(std::string_view text, Rgb rgb) {
  ImGui::PushFont(nullptr, ImGui::GetStyle().FontSizeBase * 0.85F);
  const float pad = em(0.5F), line = ImGui::GetTextLineHeight();
  ImGui::PopFont();
  const float height = ImGui::GetTextLineHeight();
  ImGui::PushFont(nullptr, ImGui::GetStyle().FontSizeBase * 0.85F);
  const ImVec2 at = ImGui::GetCursorScreenPos(), size = {text_width(text) + 2 * pad, height};
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.AddRectFilled(at, {at.x + size.x, at.y + size.y}, colour(rgb, 0.12F), size.y / 2);
  draw.AddRect(at, {at.x + size.x, at.y + size.y}, colour(rgb, 0.5F), size.y / 2);
  draw.AddText({at.x + pad, at.y + (height - line) / 2}, colour(rgb), text.data(), text.data() + text.size());
  ImGui::PopFont();
  ImGui::Dummy(size);
}

void letter_badge(const Ui& ui, std::string_view letter, Rgb rgb) {
  ImGui::PushFont(ui.fonts.semibold, 0);
  const float side = ImGui::GetTextLineHeight() + em(0.3F);
  const ImVec2 at = ImGui::GetCursorScreenPos(),
               text = ImGui::CalcTextSize(letter.data(), letter.data() + letter.size());
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.AddRectFilled(at, {at.x + side, at.y + side}, colour(rgb), em(0.3F));
  draw.AddText({at.x + (side - text.x) / 2, at.y + (side - text.y) / 2}, colour(ui.palette.surface), letter.data(),
               letter.data() + letter.size());
  ImGui::PopFont();
  ImGui::Dummy({side, side});
}

void command_line(const Ui& ui, const char* id, const std::string& command) {
  ImGui::PushID(id);
  const char* copy = ui.texts(Text::copy);
  const ImVec2 padding = ImGui::GetStyle().FramePadding;
  const float button = ImGui::CalcTextSize(copy).x + 2 * padding.x;
  const float width = ImGui::GetContentRegionAvail().x - button - ImGui::GetStyle().ItemSpacing.x;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float height = ImGui::GetFrameHeight();
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.AddRectFilled(at, {at.x + width, at.y + height}, colour(ui.palette.window), ImGui::GetStyle().FrameRounding);
  draw.AddRect(at, {at.x + width, at.y + height}, colour(ui.palette.border), ImGui::GetStyle().FrameRounding);
  ImGui::PushFont(ui.fonts.mono, ImGui::GetStyle().FontSizeBase * 0.93F);
  const float line = ImGui::GetTextLineHeight();
  ImGui::SetCursorScreenPos({at.x + padding.x, at.y + (height - line) / 2});
  clipped(cat("$ ", command), ui.palette.text, width - 2 * padding.x);
  ImGui::PopFont();
  ImGui::SetCursorScreenPos({at.x + width + ImGui::GetStyle().ItemSpacing.x, at.y});
  if (ImGui::Button(cat(copy, "###copy").c_str())) ui.emit(CopyText{command});
  ImGui::PopID();
}

void empty_state(const Ui& ui, const char* id, std::string_view title, std::string_view hint,
                 const std::string& command) {
  const ImVec2 space = ImGui::GetContentRegionAvail();
  const float width = std::min(space.x, em(44));
  const float height = command.empty() ? em(5) : em(8);
  ImGui::SetCursorPos({ImGui::GetCursorPosX() + (space.x - width) / 2,
                       ImGui::GetCursorPosY() + std::max(0.0F, (space.y - height) * 0.42F)});
  ImGui::BeginGroup();
  ImGui::PushFont(ui.fonts.semibold, ImGui::GetStyle().FontSizeBase * 1.25F);
  centred(title, width);
  ImGui::PopFont();
  ImGui::PushStyleColor(ImGuiCol_Text, colour(ui.palette.muted));
  if (text_width(hint) <= width) {
    centred(hint, width);
  } else {
    ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + width);
    unformatted(hint);
    ImGui::PopTextWrapPos();
  }
  ImGui::PopStyleColor();
  if (!command.empty()) {
    ImGui::Dummy({0, em(0.5F)});
    ImGui::BeginChild(id, {width, ImGui::GetFrameHeight()});
    command_line(ui, "command", command);
    ImGui::EndChild();
  }
  ImGui::EndGroup();
}

std::string age_text(const Ui& ui, Time then) {
  const Age past = age(then, ui.now);
  switch (past.unit) {
    case AgeUnit::minutes:
      return ui.texts(Text::age_minutes, past.count);
    case AgeUnit::hours:
      return ui.texts(Text::age_hours, past.count);
    case AgeUnit::days:
      return ui.texts(Text::age_days, past.count);
    default:
      return ui.texts(Text::age_now);
  }
}

void vote_scale(const Ui& ui, int grade, float width) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float height = ImGui::GetTextLineHeight(), radius = height * 0.3F, gap = em(0.35F);
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float letter = text_width("A");
  draw.AddText(at, colour(ui.palette.chosen), "A");
  draw.AddText({at.x + width - text_width("B"), at.y}, colour(ui.palette.rejected), "B");
  const float from = at.x + letter + gap + radius, to = at.x + width - letter - gap - radius, y = at.y + height / 2;
  draw.AddLineH(from, to, y, colour(ui.palette.border), 1);
  const int chosen = scale_position(grade);
  const Rgb rgb = grade > 0 ? ui.palette.chosen : grade < 0 ? ui.palette.rejected : ui.palette.tie;
  for (int i = 0; i <= 6; ++i) {
    const ImVec2 centre = {from + (to - from) * static_cast<float>(i) / 6, y};
    if (i == chosen) {
      draw.AddCircleFilled(centre, radius, colour(rgb));
    } else {
      draw.AddCircleFilled(centre, radius * 0.4F, colour(ui.palette.muted, 0.6F));
    }
  }
  ImGui::Dummy({width, height});
}

bool begin_card(const Ui& ui, const char* id, float width, float height) {
  ImGui::PushStyleColor(ImGuiCol_ChildBg, colour(ui.palette.raised));
  ImGui::PushStyleVar(ImGuiStyleVar_ChildRounding, em(0.45F));
  ImGuiChildFlags flags = ImGuiChildFlags_Borders | ImGuiChildFlags_AlwaysUseWindowPadding;
  if (height <= 0) flags |= ImGuiChildFlags_AutoResizeY;
  const bool visible = ImGui::BeginChild(id, {width, height}, flags);
  ImGui::PopStyleVar();
  ImGui::PopStyleColor();
  return visible;
}

void end_card() {
  ImGui::EndChild();
}

}  // namespace afina::gui
