// SPDX-License-Identifier: Apache-2.0
// The whole window for one frame: menu, banner, dockspace with its panels, status line. It draws snapshots and returns
// commands; it reads nothing by itself. The session and the host are the app's (gui/app.h).
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gui/fonts.h"
#include "gui/panels/panel.h"
#include "gui/session.h"

namespace afina::gui {

struct WorkbenchOptions {
  bool is_dark = true;
  Language language = Language::en;
  PanelId panel = PanelId::loop;
  std::string selected_id;  ///< conversation or run of `panel`; empty: its first one
};

/// Drawing thread only. Needs an ImGui and an ImPlot context, whose style and fonts it sets.
class Workbench {
 public:
  /// `font_size_pixels` already holds the host's content scale.
  Workbench(const WorkbenchOptions& options, const FontFiles& fonts, float font_size_pixels);

  /// Between the host's begin_frame and end_frame. `now` is for ages. What the panels ask for was carried out as far as
  /// it concerns the window itself, and is returned for the session.
  Commands draw(const Snapshots& snapshots, Time now);

  const std::vector<std::string>& font_warnings() const { return fonts_.warnings; }

 private:
  void apply(const Command& command);
  void draw_menu(const Ui& ui);
  void draw_banner(const Ui& ui, const std::string& error, bool has_data);
  void draw_status(const Ui& ui, const Snapshots& snapshots);
  void draw_dockspace();
  Panel& panel_of(PanelId id);

  const Palette& palette() const { return is_dark_ ? dark_palette() : light_palette(); }

  bool is_dark_;
  Catalogue texts_;
  float font_size_;
  Fonts fonts_;
  std::vector<std::unique_ptr<Panel>> panels_;
  std::optional<Command> opening_;  // --select, for the first frame
  PanelId focus_panel_;
  int focus_frames_ = 3;  // docking needs the window to exist before its tab can be chosen
  bool reset_layout_ = true;
};

}  // namespace afina::gui
