// SPDX-License-Identifier: Apache-2.0
#include "gui/style.h"

#include <implot.h>

#include <cmath>

namespace afina::gui {

namespace {

void set_colours(const Palette& p, ImVec4* c) {
  const auto set = [c](int index, Rgb rgb, float alpha = 1.0F) { c[index] = colour_vec(rgb, alpha); };
  set(ImGuiCol_Text, p.text);
  set(ImGuiCol_TextDisabled, p.muted);
  set(ImGuiCol_WindowBg, p.surface);
  set(ImGuiCol_ChildBg, p.surface, 0);
  set(ImGuiCol_PopupBg, p.raised);
  set(ImGuiCol_Border, p.border);
  for (const int index : {ImGuiCol_FrameBg, ImGuiCol_Button, ImGuiCol_TableHeaderBg})
    set(index, p.raised);
  for (const int index : {ImGuiCol_FrameBgHovered, ImGuiCol_FrameBgActive, ImGuiCol_ButtonHovered,
                          ImGuiCol_HeaderHovered, ImGuiCol_TabHovered}) {
    set(index, p.hovered);
  }
  for (const int index : {ImGuiCol_ButtonActive, ImGuiCol_Header, ImGuiCol_HeaderActive})
    set(index, p.selected);
  for (const int index : {ImGuiCol_TitleBg, ImGuiCol_TitleBgActive, ImGuiCol_TitleBgCollapsed, ImGuiCol_MenuBarBg,
                          ImGuiCol_Tab, ImGuiCol_TabDimmed, ImGuiCol_DockingEmptyBg}) {
    set(index, p.window);
  }
  for (const int index : {ImGuiCol_TabSelected, ImGuiCol_TabDimmedSelected})
    set(index, p.surface);
  for (const int index : {ImGuiCol_TabSelectedOverline, ImGuiCol_TabDimmedSelectedOverline, ImGuiCol_CheckMark,
                          ImGuiCol_SliderGrab, ImGuiCol_SliderGrabActive, ImGuiCol_InputTextCursor, ImGuiCol_NavCursor,
                          ImGuiCol_TextLink, ImGuiCol_DragDropTarget, ImGuiCol_UnsavedMarker}) {
    set(index, p.accent);
  }
  for (const int index :
       {ImGuiCol_Separator, ImGuiCol_SeparatorHovered, ImGuiCol_SeparatorActive, ImGuiCol_TableBorderStrong,
        ImGuiCol_TableBorderLight, ImGuiCol_ScrollbarGrab, ImGuiCol_TreeLines}) {
    set(index, p.border);
  }
  for (const int index : {ImGuiCol_ScrollbarGrabHovered, ImGuiCol_ScrollbarGrabActive})
    set(index, p.muted);
  for (const int index : {ImGuiCol_ScrollbarBg, ImGuiCol_TableRowBg, ImGuiCol_TableRowBgAlt, ImGuiCol_ResizeGrip}) {
    set(index, p.surface, 0);
  }
  for (const int index : {ImGuiCol_TextSelectedBg, ImGuiCol_DockingPreview})
    set(index, p.accent, 0.35F);
}

}  // namespace

void apply_style(const Palette& palette, float font_size_pixels) {
  ImGuiStyle& style = ImGui::GetStyle();
  const float em = font_size_pixels;
  style = ImGuiStyle();
  style.FontSizeBase = em;
  set_colours(palette, style.Colors);
  style.WindowPadding = {std::round(0.9F * em), std::round(0.9F * em)};
  style.FramePadding = {std::round(0.6F * em), std::round(0.35F * em)};
  style.ItemSpacing = {std::round(0.55F * em), std::round(0.45F * em)};
  style.ItemInnerSpacing = {std::round(0.4F * em), std::round(0.3F * em)};
  style.CellPadding = {std::round(0.6F * em), std::round(0.32F * em)};
  style.ScrollbarSize = std::round(0.75F * em);
  style.ScrollbarRounding = style.ScrollbarSize / 2;
  style.GrabMinSize = std::round(0.8F * em);
  const float rounding = std::round(0.4F * em);
  style.FrameRounding = style.PopupRounding = style.GrabRounding = style.TabRounding = rounding;
  style.ChildRounding = 0;  // of the dock host too; cards round their own
  style.WindowRounding = 0;
  style.WindowBorderSize = 0;
  style.FrameBorderSize = 1;
  style.TabBorderSize = 0;
  style.TabBarBorderSize = 1;
  style.TabBarOverlineSize = 2;
  style.DockingSeparatorSize = 2;
  style.SeparatorTextBorderSize = 1;

  ImPlotStyle& plot = ImPlot::GetStyle();
  plot = ImPlotStyle();
  ImPlot::StyleColorsAuto();
  plot.PlotPadding = {std::round(0.2F * em), std::round(0.4F * em)};
  plot.LabelPadding = {std::round(0.35F * em), std::round(0.3F * em)};
  plot.MousePosPadding = {std::round(0.4F * em), std::round(0.3F * em)};
  plot.PlotMinSize = {4 * em, 4 * em};
  plot.MajorTickLen = plot.MinorTickLen = {0, 0};
  plot.MinorAlpha = 0.55F;
  plot.PlotBorderSize = 1;
}

}  // namespace afina::gui
