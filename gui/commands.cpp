// SPDX-License-Identifier: Apache-2.0
#include "gui/commands.h"

#include "base/error.h"

namespace afina::gui {

std::string_view to_string(PanelId panel) {
  return panel == PanelId::loop ? "loop" : panel == PanelId::conversations ? "conversations" : "runs";
}

PanelId panel_from_word(std::string_view word) {
  for (const PanelId panel : {PanelId::loop, PanelId::conversations, PanelId::runs}) {
    if (word == to_string(panel)) return panel;
  }
  throw UsageError(cat("[workbench.panel] must be loop, conversations or runs, but got \"", word, "\"."));
}

}  // namespace afina::gui
