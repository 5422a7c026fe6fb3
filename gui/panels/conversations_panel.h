// SPDX-License-Identifier: Apache-2.0
// Search, list and read conversations: messages, the two answers side by side, and the votes beside them. For people
// who judge the collection, not for voting: model names are shown.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "gui/panels/panel.h"
#include "gui/panels/transcript.h"

namespace afina::gui {

class ConversationsPanel final : public Panel {
 public:
  PanelId id() const override { return PanelId::conversations; }
  Text title() const override { return Text::panel_conversations; }
  void draw(const Ui& ui, const Snapshots& snapshots) override;
  void select(const std::string& item_id) override { selected_ = item_id; }

 private:
  void draw_list(const Ui& ui, const Area<ConversationPage>& area);
  void draw_rows(const Ui& ui, const std::shared_ptr<const ConversationPage>& page);
  void draw_row(const Ui& ui, const ConversationRow& row, const std::string& title);
  void draw_pager(const Ui& ui, const ConversationPage& page);
  void draw_reader(const Ui& ui, const Area<ConversationDetail>& area);
  void search(const Ui& ui, int64_t page);
  void open(const Ui& ui, const std::string& id);

  std::shared_ptr<const ConversationPage> titled_;  // the page whose titles these are
  std::vector<std::string> titles_;
  std::string search_text_;
  std::string selected_;
  Transcript transcript_;
};

}  // namespace afina::gui
