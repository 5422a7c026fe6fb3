// SPDX-License-Identifier: Apache-2.0
// The loop as a picture: six stages in a ring with their counts and ages, and the one thing to do next.
#pragma once
#include "gui/panels/panel.h"

namespace afina::gui {

class LoopPanel final : public Panel {
 public:
  PanelId id() const override { return PanelId::loop; }
  Text title() const override { return Text::panel_loop; }
  void draw(const Ui& ui, const Snapshots& snapshots) override;
};

}  // namespace afina::gui
