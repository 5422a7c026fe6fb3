// SPDX-License-Identifier: Apache-2.0
#include "gui/workbench.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <cmath>

#include "gui/panels/conversations_panel.h"
#include "gui/panels/loop_panel.h"
#include "gui/panels/runs_panel.h"
#include "gui/widgets.h"

namespace afina::gui {

namespace {

// "###" keeps a window's identity, and so its place, across languages.
std::string window_name(const Panel& panel, const Catalogue& texts) {
  return cat(texts(panel.title()), "###", to_string(panel.id()));
}

std::string first_error(const Snapshots& s) {
  for (const std::string* error : {&s.loop->error, &s.runs->error, &s.page->error}) {
    if (!error->empty()) return *error;
  }
  return "";
}

std::optional<Time> read_at(const Snapshots& s) {
  std::optional<Time> newest;
  for (const auto& time : {s.loop->read_at, s.runs->read_at, s.page->read_at}) {
    if (time && (!newest || *time > *newest)) newest = time;
  }
  return newest;
}

constexpr ImGuiWindowFlags kBarFlags = ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoSavedSettings |
                                       ImGuiWindowFlags_NoDocking | ImGuiWindowFlags_NoScrollWithMouse;

}  // namespace

Workbench::Workbench(const WorkbenchOptions& options, const FontFiles& fonts, float font_size_pixels)
    : is_dark_(options.is_dark),
      texts_(options.language),
      font_size_(font_size_pixels),
      fonts_(load_fonts(fonts, font_size_pixels)),
      focus_panel_(options.panel) {
  panels_.push_back(std::make_unique<LoopPanel>());
  panels_.push_back(std::make_unique<ConversationsPanel>());
  panels_.push_back(std::make_unique<RunsPanel>());
  apply_style(palette(), font_size_);
  if (options.selected_id.empty()) return;
  panel_of(options.panel).select(options.selected_id);
  if (options.panel == PanelId::conversations) opening_ = OpenConversation{options.selected_id};
  if (options.panel == PanelId::runs) opening_ = OpenRun{options.selected_id};
}

Panel& Workbench::panel_of(PanelId id) {
  const auto found =
      std::find_if(panels_.begin(), panels_.end(), [id](const auto& panel) { return panel->id() == id; });
  return **found;
}

Commands Workbench::draw(const Snapshots& snapshots, Time now) {
  Commands commands;
  if (opening_) commands.push_back(*opening_);
  opening_.reset();
  const Ui ui{palette(), texts_, fonts_, now, commands};
  draw_menu(ui);
  draw_status(ui, snapshots);
  const std::string error = first_error(snapshots);
  if (!error.empty()) draw_banner(ui, error, read_at(snapshots).has_value());
  draw_dockspace();
  for (const auto& panel : panels_) {
    const bool visible = ImGui::Begin(window_name(*panel, texts_).c_str(), nullptr, ImGuiWindowFlags_NoCollapse);
    if (visible) panel->draw(ui, snapshots);
    ImGui::End();
  }
  if (focus_frames_ > 0) {
    --focus_frames_;
    ImGui::SetWindowFocus(window_name(panel_of(focus_panel_), texts_).c_str());
  }
  for (const Command& command : commands)
    apply(command);
  return commands;
}

void Workbench::apply(const Command& command) {
  if (const auto* show = std::get_if<ShowPanel>(&command)) {
    focus_panel_ = show->panel;
    focus_frames_ = 1;
  } else if (const auto* copy = std::get_if<CopyText>(&command)) {
    ImGui::SetClipboardText(copy->text.c_str());
  } else if (const auto* theme = std::get_if<SetTheme>(&command)) {
    is_dark_ = theme->dark;
    apply_style(palette(), font_size_);
  } else if (const auto* language = std::get_if<SetLanguage>(&command)) {
    texts_ = Catalogue(language->language);
  } else if (std::holds_alternative<ResetLayout>(command)) {
    reset_layout_ = true;
    focus_panel_ = PanelId::loop;
    focus_frames_ = 3;
  }
}

void Workbench::draw_menu(const Ui& ui) {
  if (!ImGui::BeginMainMenuBar()) return;
  heading(ui, "Afina", ui.palette.accent);
  label(ui.texts(Text::app_subtitle), ui.palette.muted);
  if (ImGui::BeginMenu(cat(ui.texts(Text::menu_view), "###view").c_str())) {
    for (const auto& panel : panels_) {
      if (ImGui::MenuItem(cat(ui.texts(panel->title()), "###show_", to_string(panel->id())).c_str())) {
        ui.emit(ShowPanel{panel->id()});
      }
    }
    ImGui::Separator();
    if (ImGui::MenuItem(cat(ui.texts(Text::menu_dark), "###dark").c_str(), nullptr, is_dark_)) ui.emit(SetTheme{true});
    if (ImGui::MenuItem(cat(ui.texts(Text::menu_light), "###light").c_str(), nullptr, !is_dark_))
      ui.emit(SetTheme{false});
    if (ImGui::BeginMenu(cat(ui.texts(Text::menu_language), "###language").c_str())) {
      // Each language in its own words, so that it is found from any other.
      const auto item = [&](const char* name, Language language) {
        if (ImGui::MenuItem(name, nullptr, texts_.language() == language)) ui.emit(SetLanguage{language});
      };
      item("English", Language::en);
      item("Español", Language::es);
      item("Português", Language::pt);
      ImGui::EndMenu();
    }
    ImGui::Separator();
    if (ImGui::MenuItem(cat(ui.texts(Text::menu_refresh), "###refresh").c_str())) ui.emit(Refresh{});
    if (ImGui::MenuItem(cat(ui.texts(Text::menu_reset_layout), "###reset").c_str())) ui.emit(ResetLayout{});
    if (ImGui::MenuItem(cat(ui.texts(Text::menu_quit), "###quit").c_str())) ui.emit(Quit{});
    ImGui::EndMenu();
  }
  ImGui::EndMainMenuBar();
}

void Workbench::draw_banner(const Ui& ui, const std::string& error, bool has_data) {
  const std::string sentence =
      cat(ui.texts(Text::banner_title), " ", ui.texts(has_data ? Text::banner_kept : Text::banner_retrying));
  const std::string reason = one_line(error, 600);
  const ImGuiStyle& style = ImGui::GetStyle();
  const float mark = em(1.6F), width = ImGui::GetMainViewport()->Size.x - 2 * style.WindowPadding.x - mark;
  const float height = std::ceil(ImGui::GetTextLineHeightWithSpacing() + 2 * style.WindowPadding.y +
                                 ImGui::CalcTextSize(reason.c_str(), nullptr, false, width).y);
  ImGui::PushStyleColor(ImGuiCol_WindowBg, colour(blend(ui.palette.error, ui.palette.surface, 0.12)));
  if (ImGui::BeginViewportSideBar("##banner", ImGui::GetMainViewport(), ImGuiDir_Up, height, kBarFlags)) {
    heading(ui, "!", ui.palette.error, 1.3F);
    ImGui::SameLine(style.WindowPadding.x + mark);
    ImGui::BeginGroup();
    heading(ui, sentence, ui.palette.error);
    ImGui::PushTextWrapPos(0.0F);
    label(reason, ui.palette.text);
    ImGui::PopTextWrapPos();
    ImGui::EndGroup();
  }
  ImGui::End();
  ImGui::PopStyleColor();
}

void Workbench::draw_status(const Ui& ui, const Snapshots& snapshots) {
  const bool failed = !first_error(snapshots).empty();
  const std::optional<Time> time = read_at(snapshots);
  const std::string when = time ? time_of_day(*time) : "";
  std::string state = ui.texts(failed ? Text::status_down : Text::status_connecting);
  if (time) state = ui.texts(failed ? Text::status_stale : Text::status_live, when);
  const Rgb rgb = failed ? ui.palette.error : time ? ui.palette.ok : ui.palette.muted;
  ImGui::PushStyleColor(ImGuiCol_WindowBg, colour(ui.palette.window));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, {em(0.9F), em(0.35F)});
  const float height = std::ceil(ImGui::GetTextLineHeight() + em(0.7F));
  if (ImGui::BeginViewportSideBar("##status", ImGui::GetMainViewport(), ImGuiDir_Down, height, kBarFlags)) {
    label(failed ? "\u2715" : time ? "\u25CF" : "\u25CB", rgb);
    ImGui::SameLine();
    label(state, ui.palette.muted);
    ImGui::SameLine();
    right_aligned(snapshots.source, ui.palette.muted);
  }
  ImGui::End();
  ImGui::PopStyleVar();
  ImGui::PopStyleColor();
}

void Workbench::draw_dockspace() {
  const ImGuiID dockspace = ImGui::GetID("workbench");
  if (reset_layout_ || ImGui::DockBuilderGetNode(dockspace) == nullptr) {
    reset_layout_ = false;
    ImGui::DockBuilderRemoveNode(dockspace);
    ImGui::DockBuilderAddNode(dockspace, static_cast<ImGuiDockNodeFlags>(ImGuiDockNodeFlags_DockSpace));
    ImGui::DockBuilderSetNodeSize(dockspace, ImGui::GetMainViewport()->WorkSize);
    for (const auto& panel : panels_)
      ImGui::DockBuilderDockWindow(window_name(*panel, texts_).c_str(), dockspace);
    ImGui::DockBuilderFinish(dockspace);
  }
  constexpr int kNoButtons = static_cast<int>(ImGuiDockNodeFlags_NoWindowMenuButton) | ImGuiDockNodeFlags_NoCloseButton;
  ImGui::DockSpaceOverViewport(dockspace, ImGui::GetMainViewport(), kNoButtons);
}

}  // namespace afina::gui
