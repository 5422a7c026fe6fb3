// SPDX-License-Identifier: Apache-2.0
// A view of one area. It reads snapshots and appends commands; it never waits, reads a file or talks to a database
// (tests/gui/panel_scan_test.cpp holds it to that). What it keeps is only what a person typed or chose, and text
// derived from the snapshot it drew last.
#pragma once
#include <string>

#include "gui/session.h"
#include "gui/ui.h"

namespace afina::gui {

class Panel {
 public:
  Panel() = default;
  Panel(const Panel&) = delete;
  Panel& operator=(const Panel&) = delete;
  virtual ~Panel() = default;

  virtual PanelId id() const = 0;
  virtual Text title() const = 0;
  virtual void draw(const Ui& ui, const Snapshots& snapshots) = 0;
  /// --select, or a click elsewhere: show this conversation or run. Panels without a selection ignore it.
  virtual void select(const std::string& /*item_id*/) {}
};

}  // namespace afina::gui
