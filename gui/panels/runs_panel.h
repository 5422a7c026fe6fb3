// SPDX-License-Identifier: Apache-2.0
// The table of runs, and of the chosen one: live curves, its config, and where its data came from and its adapter went.
#pragma once
#include <string>

#include "gui/panels/curves.h"
#include "gui/panels/panel.h"

namespace afina::gui {

class RunsPanel final : public Panel {
 public:
  PanelId id() const override { return PanelId::runs; }
  Text title() const override { return Text::panel_runs; }
  void draw(const Ui& ui, const Snapshots& snapshots) override;
  void select(const std::string& item_id) override { selected_ = item_id; }

 private:
  void draw_table(const Ui& ui, const std::vector<RunRow>& runs);
  void draw_row(const Ui& ui, const RunRow& run);
  void draw_detail(const Ui& ui, const Area<RunDetail>& area);
  void open(const Ui& ui, const std::string& id);

  std::string filter_;
  std::string selected_;
  Curves curves_;
};

}  // namespace afina::gui
