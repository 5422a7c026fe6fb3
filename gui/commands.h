// SPDX-License-Identifier: Apache-2.0
// What a panel asks for while it draws. Panels only append to a list of these; the workbench and the session carry them
// out after the frame. Tests assert on them.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include "gui/catalogue.h"
#include "gui/view_model/data.h"

namespace afina::gui {

enum class PanelId { loop, conversations, runs };

struct ShowPanel {
  PanelId panel = PanelId::loop;
  bool operator==(const ShowPanel&) const = default;
};
struct SearchConversations {
  ConversationQuery query;
  bool operator==(const SearchConversations&) const = default;
};
struct OpenConversation {
  std::string id;
  bool operator==(const OpenConversation&) const = default;
};
struct OpenRun {
  std::string id;
  bool operator==(const OpenRun&) const = default;
};
struct CopyText {
  std::string text;
  bool operator==(const CopyText&) const = default;
};
struct SetTheme {
  bool dark = true;
  bool operator==(const SetTheme&) const = default;
};
struct SetLanguage {
  Language language = Language::en;
  bool operator==(const SetLanguage&) const = default;
};
struct Refresh {
  bool operator==(const Refresh&) const = default;
};
struct ResetLayout {
  bool operator==(const ResetLayout&) const = default;
};
struct Quit {
  bool operator==(const Quit&) const = default;
};

using Command = std::variant<ShowPanel, SearchConversations, OpenConversation, OpenRun, CopyText, SetTheme, SetLanguage,
                             Refresh, ResetLayout, Quit>;
using Commands = std::vector<Command>;

/// "loop", "conversations", "runs".
std::string_view to_string(PanelId panel);
/// Throws UsageError for another word.
PanelId panel_from_word(std::string_view word);

}  // namespace afina::gui
