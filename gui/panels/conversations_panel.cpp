// SPDX-License-Identifier: Apache-2.0
#include "gui/panels/conversations_panel.h"

#include <imgui.h>
#include <misc/cpp/imgui_stdlib.h>

#include <algorithm>

#include "gui/view_model/next_action.h"
#include "gui/view_model/paging.h"
#include "gui/widgets.h"

namespace afina::gui {

void ConversationsPanel::search(const Ui& ui, int64_t page) {
  ConversationQuery query;
  query.text = search_text_;
  query.page = page;
  ui.emit(SearchConversations{query});
}

void ConversationsPanel::open(const Ui& ui, const std::string& id) {
  selected_ = id;
  ui.emit(OpenConversation{id});
}

void ConversationsPanel::draw(const Ui& ui, const Snapshots& snapshots) {
  const ConversationPage* page = snapshots.page->data.get();
  const bool searching = page != nullptr && !page->query.text.empty();
  if (page != nullptr && page->total == 0 && !searching && search_text_.empty()) {
    return empty_state(ui, "empty", ui.texts(Text::conversations_empty), ui.texts(Text::conversations_empty_hint),
                       kCollectorCommand);
  }
  const float list_width = std::clamp(ImGui::GetContentRegionAvail().x * 0.29F, em(16), em(26));
  ImGui::BeginChild("list", {list_width, 0});
  draw_list(ui, *snapshots.page);
  ImGui::EndChild();
  ImGui::SameLine(0, em(0.9F));
  ImGui::BeginChild("reader", {0, 0});
  draw_reader(ui, *snapshots.conversation);
  ImGui::EndChild();
}

void ConversationsPanel::draw_list(const Ui& ui, const Area<ConversationPage>& area) {
  ImGui::SetNextItemWidth(-FLT_MIN);
  if (ImGui::InputTextWithHint("##search", ui.texts(Text::search_hint), &search_text_)) search(ui, 0);
  if (area.data == nullptr) {
    const bool failed = !area.error.empty();
    return empty_state(ui, "loading", ui.texts(failed ? Text::status_down : Text::loading),
                       failed ? ui.texts(Text::banner_retrying) : "", "");
  }
  const ConversationPage& page = *area.data;
  if (page.total == 0) {
    empty_state(ui, "none", ui.texts(Text::search_none, one_line(page.query.text, 24)),
                ui.texts(Text::search_none_hint), "");
    return;
  }
  const float pager = ImGui::GetFrameHeightWithSpacing();
  ImGui::BeginChild("rows", {0, -pager});
  draw_rows(ui, area.data);
  ImGui::EndChild();
  draw_pager(ui, page);
}

void ConversationsPanel::draw_rows(const Ui& ui, const std::shared_ptr<const ConversationPage>& page) {
  if (page != titled_) {
    titled_ = page;
    titles_.clear();
    const auto has_glyph = [&](char32_t c) { return font_has_glyph(ui.fonts.regular, c); };
    for (const ConversationRow& row : page->rows)
      titles_.push_back(drawable_text(one_line(row.title, 120), has_glyph));
  }
  if (selected_.empty() && !page->rows.empty()) open(ui, page->rows.front().id);
  for (size_t i = 0; i < page->rows.size(); ++i) {
    ImGui::PushID(page->rows[i].id.c_str());
    draw_row(ui, page->rows[i], titles_[i]);
    ImGui::PopID();
  }
  ImGui::Dummy({0, 0});
}

void ConversationsPanel::draw_row(const Ui& ui, const ConversationRow& row, const std::string& title) {
  const float pad = em(0.55F), line = ImGui::GetTextLineHeight(), gap = ImGui::GetStyle().ItemSpacing.y;
  const float height = 2 * pad + 2 * line + gap, width = ImGui::GetContentRegionAvail().x, mark = em(0.2F);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const bool chosen = row.id == selected_;
  if (ImGui::Selectable("##row", chosen, ImGuiSelectableFlags_None, {width, height})) open(ui, row.id);
  if (chosen) ImGui::GetWindowDrawList()->AddRectFilled(at, {at.x + mark, at.y + height}, colour(ui.palette.accent));
  const ImVec2 after = ImGui::GetCursorScreenPos();
  const float tag_width = em(2.2F);
  ImGui::SetCursorScreenPos({at.x + pad + mark, at.y + pad});
  ImGui::BeginGroup();
  clipped(title, ui.palette.text, width - 2 * pad - tag_width - em(0.4F));
  clipped(cat(date_time(row.created_at), "  ·  ",
              ui.texts(Text::conversation_counts, with_groups(row.messages), with_groups(row.votes))),
          ui.palette.muted, width - 2 * pad - mark);
  ImGui::EndGroup();
  if (!row.language.empty()) {
    ImGui::SetCursorScreenPos({at.x + width - pad - tag_width + em(0.3F), at.y + pad});
    pill(one_line(row.language, 6), ui.palette.muted);
  }
  ImGui::SetCursorScreenPos(after);
}

void ConversationsPanel::draw_pager(const Ui& ui, const ConversationPage& page) {
  const int64_t size = page.query.page_size, at = clamp_page(page.query.page, page.total, size);
  const RowRange rows = rows_on_page(at, page.total, size);
  ImGui::AlignTextToFramePadding();
  label(ui.texts(Text::page_rows, with_groups(rows.first), with_groups(rows.last), with_groups(page.total)),
        ui.palette.muted);
  const float button = ImGui::GetFrameHeight(), gap = ImGui::GetStyle().ItemSpacing.x;
  ImGui::SameLine(ImGui::GetContentRegionAvail().x - 2 * button - gap);
  ImGui::BeginDisabled(at == 0);
  if (ImGui::ArrowButton("##previous", ImGuiDir_Left)) search(ui, at - 1);
  ImGui::SetItemTooltip("%s", ui.texts(Text::page_previous));
  ImGui::EndDisabled();
  ImGui::SameLine();
  ImGui::BeginDisabled(at + 1 >= page_count(page.total, size));
  if (ImGui::ArrowButton("##next", ImGuiDir_Right)) search(ui, at + 1);
  ImGui::SetItemTooltip("%s", ui.texts(Text::page_next));
  ImGui::EndDisabled();
}

void ConversationsPanel::draw_reader(const Ui& ui, const Area<ConversationDetail>& area) {
  if (selected_.empty()) {
    return empty_state(ui, "pick", ui.texts(Text::conversation_pick), ui.texts(Text::conversation_pick_hint), "");
  }
  if (area.data == nullptr || area.data->id != selected_) {
    const bool failed = !area.error.empty() && area.key == selected_;
    return empty_state(ui, "loading", failed ? one_line(area.error, 200) : ui.texts(Text::loading), "", "");
  }
  transcript_.draw(ui, area.data);
}

}  // namespace afina::gui
