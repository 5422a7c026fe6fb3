// SPDX-License-Identifier: Apache-2.0
#include "gui/panels/runs_panel.h"

#include <imgui.h>
#include <misc/cpp/imgui_stdlib.h>

#include <algorithm>
#include <array>

#include "gui/view_model/paging.h"
#include "gui/widgets.h"

namespace afina::gui {

namespace {

constexpr const char* kTrain = "afina dpo --model MODEL --snapshot ID --out DIR";

struct Column {
  RunColumn column;
  Text title;
  float width_em;  ///< 0: takes what is left
  bool is_number;
  float least_room_em;  ///< hidden in a panel narrower than this; 0: always there
};

constexpr std::array<Column, 9> kColumns = {{
    {RunColumn::name, Text::column_run, 0, false, 0},
    {RunColumn::method, Text::column_method, 4.5F, false, 75},
    {RunColumn::state, Text::column_state, 6.5F, false, 0},
    {RunColumn::step, Text::column_step, 7.5F, true, 0},
    {RunColumn::loss, Text::column_loss, 6.5F, true, 0},
    {RunColumn::margin, Text::column_margin, 7.5F, true, 0},
    {RunColumn::accuracy, Text::column_accuracy, 7, true, 64},
    {RunColumn::speed, Text::column_speed, 5, true, 75},
    {RunColumn::created, Text::column_created, 9.5F, true, 0},
}};

struct State {
  const char* mark;  ///< a second cue beside the colour
  Text word;
  Rgb rgb;
};

State state_of(const Ui& ui, const std::string& state) {
  if (state == "running") return {"\u25CF", Text::state_running, ui.palette.accent};
  if (state == "finished") return {"\u2713", Text::state_finished, ui.palette.ok};
  if (state == "failed") return {"\u2715", Text::state_failed, ui.palette.error};
  if (state == "cancelled") return {"\u25A0", Text::state_cancelled, ui.palette.warning};
  return {"\u25CB", Text::state_queued, ui.palette.muted};
}

// A header whose text stands over the numbers of its column.
void draw_headers(const Ui& ui) {
  ImGui::TableNextRow(ImGuiTableRowFlags_Headers);
  for (size_t i = 0; i < kColumns.size(); ++i) {
    if (!ImGui::TableSetColumnIndex(static_cast<int>(i))) continue;  // hidden
    const char* title = ui.texts(kColumns[i].title);
    if (!kColumns[i].is_number) {
      ImGui::TableHeader(cat(title, "###", i).c_str());
      continue;
    }
    const ImVec2 at = ImGui::GetCursorScreenPos();
    const float room = ImGui::GetContentRegionAvail().x;
    ImGui::TableHeader(cat("###", i).c_str());
    const float arrow = (ImGui::TableGetColumnFlags() & ImGuiTableColumnFlags_IsSorted) != 0 ? em(0.8F) : 0;
    const float width = ImGui::CalcTextSize(title).x;
    ImGui::GetWindowDrawList()->AddText({at.x + std::max(0.0F, room - width - arrow), at.y}, colour(ui.palette.text),
                                        title);
  }
}

void number_cell(const Ui& ui, const std::string& text) {
  ImGui::TableNextColumn();
  right_aligned(text, ui.palette.text);
}

const char* lineage_word(const Ui& ui, const std::string& kind) {
  if (kind == "model") return ui.texts(Text::lineage_model);
  if (kind == "snapshot") return ui.texts(Text::lineage_snapshot);
  if (kind == "data") return ui.texts(Text::lineage_data);
  if (kind == "start_adapter") return ui.texts(Text::lineage_start_adapter);
  return ui.texts(kind == "adapter" ? Text::lineage_adapter : Text::lineage_run);
}

void draw_lineage(const Ui& ui, const std::vector<LineageLink>& lineage) {
  heading(ui, ui.texts(Text::inspector_lineage), ui.palette.text);
  if (lineage.empty()) paragraph(ui.texts(Text::lineage_none), ui.palette.muted);
  for (size_t i = 0; i < lineage.size(); ++i) {
    const LineageLink& link = lineage[i];
    ImGui::PushID(static_cast<int>(i));
    label(i == 0 ? "\u25CB" : "\u2193", ui.palette.muted);
    ImGui::SameLine();
    label(lineage_word(ui, link.kind), ui.palette.muted);
    ImGui::SameLine();
    clipped(link.label.empty() ? short_id(link.id) : link.label, ui.palette.text, ImGui::GetContentRegionAvail().x);
    if (!link.id.empty()) ImGui::SetItemTooltip("%s", link.id.c_str());
    if (!link.id.empty() && ImGui::IsItemClicked()) ui.emit(CopyText{link.id});
    ImGui::PopID();
  }
}

void draw_config(const Ui& ui, const std::vector<std::pair<std::string, std::string>>& config) {
  heading(ui, ui.texts(Text::inspector_config), ui.palette.text);
  ImGui::PushStyleVar(ImGuiStyleVar_CellPadding, {em(0.15F), em(0.18F)});
  const bool open = ImGui::BeginTable("config", 2, ImGuiTableFlags_SizingStretchProp);
  ImGui::PopStyleVar();
  if (!open) return;
  ImGui::TableSetupColumn("key", ImGuiTableColumnFlags_WidthStretch, 2.1F);
  ImGui::TableSetupColumn("value", ImGuiTableColumnFlags_WidthStretch, 1.0F);
  for (const auto& [key, value] : config) {
    ImGui::TableNextRow();
    ImGui::TableNextColumn();
    ImGui::PushFont(nullptr, ImGui::GetStyle().FontSizeBase * 0.9F);
    clipped(key, ui.palette.muted, ImGui::GetContentRegionAvail().x);
    ImGui::PopFont();
    ImGui::TableNextColumn();
    ImGui::PushFont(ui.fonts.mono, ImGui::GetStyle().FontSizeBase * 0.88F);
    clipped(one_line(value, 400), ui.palette.text, ImGui::GetContentRegionAvail().x);
    ImGui::PopFont();
  }
  ImGui::EndTable();
}

}  // namespace

void RunsPanel::open(const Ui& ui, const std::string& id) {
  selected_ = id;
  ui.emit(OpenRun{id});
}

void RunsPanel::draw(const Ui& ui, const Snapshots& snapshots) {
  const Area<std::vector<RunRow>>& area = *snapshots.runs;
  if (area.data == nullptr) {
    const bool failed = !area.error.empty();
    return empty_state(ui, "loading", ui.texts(failed ? Text::status_down : Text::loading),
                       failed ? ui.texts(Text::banner_retrying) : snapshots.source.c_str(), "");
  }
  if (area.data->empty()) {
    return empty_state(ui, "empty", ui.texts(Text::runs_empty), ui.texts(Text::runs_empty_hint), kTrain);
  }
  if (selected_.empty()) open(ui, area.data->front().id);
  draw_table(ui, *area.data);
  ImGui::Dummy({0, em(0.2F)});
  draw_detail(ui, *snapshots.run);
}

void RunsPanel::draw_table(const Ui& ui, const std::vector<RunRow>& runs) {
  ImGui::SetNextItemWidth(em(18));
  ImGui::InputTextWithHint("##filter", ui.texts(Text::runs_filter_hint), &filter_);
  const float row = ImGui::GetTextLineHeight() + 2 * ImGui::GetStyle().CellPadding.y;
  const float height = row * static_cast<float>(std::min<size_t>(runs.size(), 5) + 1) + 2;
  constexpr ImGuiTableFlags kFlags = ImGuiTableFlags_Sortable | ImGuiTableFlags_ScrollY |
                                     ImGuiTableFlags_BordersInnerH | ImGuiTableFlags_BordersOuterH |
                                     ImGuiTableFlags_Resizable;
  if (!ImGui::BeginTable("runs", static_cast<int>(kColumns.size()), kFlags, {0, height})) return;
  ImGui::TableSetupScrollFreeze(0, 1);
  for (const Column& column : kColumns) {
    ImGuiTableColumnFlags flags =
        column.width_em > 0 ? ImGuiTableColumnFlags_WidthFixed : ImGuiTableColumnFlags_WidthStretch;
    if (ImGui::GetWindowWidth() < em(column.least_room_em)) flags |= ImGuiTableColumnFlags_Disabled;
    if (column.column == RunColumn::created) {
      flags |= ImGuiTableColumnFlags_DefaultSort | ImGuiTableColumnFlags_PreferSortDescending;
    }
    ImGui::TableSetupColumn(ui.texts(column.title), flags, column.width_em > 0 ? em(column.width_em) : 1.0F);
  }
  draw_headers(ui);
  RunColumn by = RunColumn::created;
  bool descending = true;
  if (const ImGuiTableSortSpecs* specs = ImGui::TableGetSortSpecs(); specs != nullptr && specs->SpecsCount > 0) {
    by = kColumns.at(static_cast<size_t>(specs->Specs[0].ColumnIndex)).column;
    descending = specs->Specs[0].SortDirection == ImGuiSortDirection_Descending;
  }
  const std::vector<size_t> order = filter_and_sort_runs(runs, filter_, by, descending);
  for (const size_t index : order)
    draw_row(ui, runs[index]);
  ImGui::EndTable();
  if (order.empty()) label(ui.texts(Text::runs_none_match, one_line(filter_, 40)), ui.palette.muted);
}

void RunsPanel::draw_row(const Ui& ui, const RunRow& run) {
  ImGui::TableNextRow();
  ImGui::PushID(run.id.c_str());
  ImGui::TableNextColumn();
  const ImVec2 at = ImGui::GetCursorPos();
  if (ImGui::Selectable("##row", run.id == selected_,
                        ImGuiSelectableFlags_SpanAllColumns | ImGuiSelectableFlags_AllowOverlap)) {
    open(ui, run.id);
  }
  ImGui::SetCursorPos(at);
  clipped(run.name.empty() ? short_id(run.id) : run.name, ui.palette.text, ImGui::GetContentRegionAvail().x);
  ImGui::TableNextColumn();
  label(run.method, ui.palette.text);
  ImGui::TableNextColumn();
  const State state = state_of(ui, run.state);
  label(cat(state.mark, " ", ui.texts(state.word)), state.rgb);
  number_cell(
      ui, run.max_steps > 0 ? cat(with_groups(run.step), " / ", with_groups(run.max_steps)) : with_groups(run.step));
  number_cell(ui, fixed(run.loss, 4));
  number_cell(ui, fixed(run.margin, 4));
  number_cell(ui, run.accuracy ? fixed(100 * *run.accuracy, 1) : fixed(std::nullopt, 1));
  number_cell(ui, run.tokens_per_second ? with_groups(static_cast<int64_t>(*run.tokens_per_second + 0.5))
                                        : fixed(std::nullopt, 0));
  number_cell(ui, date_time(run.created_at));
  ImGui::PopID();
}

void RunsPanel::draw_detail(const Ui& ui, const Area<RunDetail>& area) {
  if (area.data == nullptr || area.data->row.id != selected_) {
    const bool failed = !area.error.empty() && area.key == selected_;
    return empty_state(ui, "loading", failed ? one_line(area.error, 200) : ui.texts(Text::loading), "", "");
  }
  const float inspector = std::clamp(ImGui::GetContentRegionAvail().x * 0.24F, em(15), em(22));
  ImGui::BeginChild("curves", {ImGui::GetContentRegionAvail().x - inspector - em(0.9F), 0});
  if (!area.data->row.error.empty()) paragraph(one_line(area.data->row.error, 600), ui.palette.error);
  curves_.draw(ui, area.data);
  ImGui::EndChild();
  ImGui::SameLine(0, em(0.9F));
  if (begin_card(ui, "inspector", inspector, ImGui::GetContentRegionAvail().y)) {
    draw_lineage(ui, area.data->lineage);
    ImGui::Dummy({0, em(0.3F)});
    draw_config(ui, area.data->config);
  }
  end_card();
}

}  // namespace afina::gui
