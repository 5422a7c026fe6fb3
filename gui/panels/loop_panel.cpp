// SPDX-License-Identifier: Apache-2.0
#include "gui/panels/loop_panel.h"

#include <algorithm>
#include <array>
#include <vector>

#include "gui/view_model/next_action.h"
#include "gui/view_model/votes.h"
#include "gui/widgets.h"

namespace afina::gui {

namespace {

/// The bar at the foot of a card.
enum class Gauge { none, shares, progress, interval };

/// What a stage's card says.
struct Card {
  const char* id;
  Stage stage;
  const char* number;
  Text title;
  int64_t count;
  std::vector<std::string> lines;
  std::optional<Time> newest_at;
  std::optional<PanelId> opens;
  Gauge gauge = Gauge::none;
  std::vector<double> values = {};  ///< shares that add up to 1; progress; or low, rate, high
};

std::string languages_line(const ConversationStage& stage) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(stage.languages.size(), 4); ++i) {
    const LanguageCount& language = stage.languages[i];
    const double share = static_cast<double>(language.conversations) / static_cast<double>(stage.conversations);
    out += cat(i == 0 ? "" : "  ·  ", language.tag.empty() ? "?" : language.tag, " ", percent(share, 0));
  }
  return out;
}

std::string run_line(const RunStage& run, const Catalogue& texts) {
  const std::string name = run.newest_name.empty() ? short_id(run.newest_id) : run.newest_name;
  return run.newest_max_steps > 0
             ? texts(Text::loop_run_newest_of, name, with_groups(run.newest_step), with_groups(run.newest_max_steps))
             : texts(Text::loop_run_newest, name, with_groups(run.newest_step));
}

// In the order of the loop; the picture shows 0 1 2 above and 5 4 3 below.
std::array<Card, 6> make_cards(const LoopData& loop, const Catalogue& texts) {
  std::array<Card, 6> cards = {{
      {"conversations",
       Stage::conversations,
       "1",
       Text::stage_conversations,
       loop.conversations.conversations,
       {},
       loop.conversations.newest_at,
       PanelId::conversations},
      {"votes",
       Stage::votes,
       "2",
       Text::stage_votes,
       loop.votes.votes,
       {},
       loop.votes.newest_at,
       PanelId::conversations},
      {"snapshots",
       Stage::snapshots,
       "3",
       Text::stage_snapshots,
       loop.snapshots.snapshots,
       {},
       loop.snapshots.newest_at,
       std::nullopt},
      {"runs", Stage::runs, "4", Text::stage_runs, loop.runs.runs, {}, loop.runs.newest_at, PanelId::runs},
      {"adapters",
       Stage::adapters,
       "5",
       Text::stage_adapters,
       loop.adapters.adapters,
       {},
       loop.adapters.newest_at,
       std::nullopt},
      {"arena", Stage::arena, "6", Text::stage_arena, loop.arena.votes, {}, loop.arena.newest_at, std::nullopt},
  }};
  if (loop.conversations.conversations > 0) {
    cards[0].lines = {texts(Text::loop_messages, with_groups(loop.conversations.messages)),
                      languages_line(loop.conversations)};
    cards[0].gauge = Gauge::shares;
    for (const LanguageCount& language : loop.conversations.languages) {
      cards[0].values.push_back(static_cast<double>(language.conversations) /
                                static_cast<double>(loop.conversations.conversations));
    }
  }
  if (loop.votes.votes > 0) {
    const int64_t waiting = loop.snapshots.snapshots == 0 ? loop.votes.votes : loop.votes.outside_newest_snapshot;
    cards[1].lines = {texts(Text::loop_pairs, with_groups(loop.votes.pairs), with_groups(loop.votes.annotators)),
                      waiting > 0 ? texts(Text::loop_votes_waiting, with_groups(waiting))
                                  : std::string(texts(Text::loop_votes_covered))};
    cards[1].gauge = Gauge::progress;
    cards[1].values = {1.0 - static_cast<double>(waiting) / static_cast<double>(loop.votes.votes)};
  }
  if (loop.snapshots.snapshots > 0) {
    cards[2].lines = {
        texts(Text::loop_snapshot_rows, loop.snapshots.newest_name, with_groups(loop.snapshots.newest_rows)),
        cat("sha256 ", loop.snapshots.newest_sha256.substr(0, 12))};
  }
  if (loop.runs.runs > 0) {
    cards[3].lines = {run_line(loop.runs, texts),
                      texts(Text::loop_run_states, with_groups(loop.runs.running), with_groups(loop.runs.finished),
                            with_groups(loop.runs.failed))};
  }
  if (loop.runs.newest_max_steps > 0) {
    cards[3].gauge = Gauge::progress;
    cards[3].values = {std::clamp(
        static_cast<double>(loop.runs.newest_step) / static_cast<double>(loop.runs.newest_max_steps), 0.0, 1.0)};
  }
  if (loop.adapters.adapters > 0) cards[4].lines = {texts(Text::loop_adapter_newest, loop.adapters.newest_name)};
  if (const auto rate = win_rate(loop.arena)) {
    cards[5].lines = {
        texts(Text::loop_arena_rate, percent(rate->rate, 1), fixed(100 * rate->low, 0), percent(rate->high, 0)),
        texts(Text::loop_arena_wins, with_groups(loop.arena.wins), with_groups(loop.arena.ties),
              with_groups(loop.arena.losses))};
    cards[5].gauge = Gauge::interval;
    cards[5].values = {rate->low, rate->rate, rate->high};
  }
  return cards;
}

void draw_gauge(const Ui& ui, const Card& card, ImVec2 at, float width) {
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float height = em(0.4F), rounding = height / 2;
  const auto bar = [&](double from, double to, Rgb rgb) {
    const float left = at.x + width * static_cast<float>(from), right = at.x + width * static_cast<float>(to);
    draw.AddRectFilled({left, at.y}, {std::max(right, left + 1), at.y + height}, colour(rgb), rounding);
  };
  if (card.gauge == Gauge::shares) {
    double from = 0;
    for (size_t i = 0; i < card.values.size(); ++i) {
      const double gap = 2.0 / std::max(1.0, static_cast<double>(width));  // two pixels part neighbours without colour
      bar(from, std::max(from, from + card.values[i] - gap), ui.palette.series.at(i % 8));
      from += card.values[i];
    }
  } else if (card.gauge == Gauge::progress) {
    bar(0, 1, ui.palette.border);
    if (card.values[0] > 0) bar(0, card.values[0], ui.palette.accent);
  } else if (card.gauge == Gauge::interval) {
    bar(0, 1, ui.palette.border);
    bar(card.values[0], card.values[2], ui.palette.muted);
    const float middle = at.x + width / 2, rate = at.x + width * static_cast<float>(card.values[1]);
    draw.AddRectFilled({middle - 1, at.y - height * 0.6F}, {middle + 1, at.y + height * 1.6F}, colour(ui.palette.text));
    draw.AddCircleFilled({rate, at.y + rounding}, height * 0.85F, colour(ui.palette.accent));
  }
}

void draw_card(const Ui& ui, const Card& card, bool is_next, ImVec2 at, ImVec2 size) {
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const ImVec2 end = {at.x + size.x, at.y + size.y};
  ImGui::SetCursorScreenPos(at);
  ImGui::PushID(card.id);
  const bool clicked = ImGui::InvisibleButton("card", size);
  const bool hovered = card.opens && ImGui::IsItemHovered();
  if (hovered) ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
  if (clicked && card.opens) ui.emit(ShowPanel{*card.opens});
  const float rounding = em(0.5F), pad = em(0.9F);
  draw.AddRectFilled(at, end, colour(hovered ? ui.palette.hovered : ui.palette.raised), rounding);
  draw.AddRect(at, end, colour(is_next ? ui.palette.accent : ui.palette.border), rounding, is_next ? 2.0F : 1.0F);

  ImGui::PushClipRect(at, end, true);
  ImGui::SetCursorScreenPos({at.x + pad, at.y + pad});
  ImGui::BeginGroup();
  heading(ui, card.number, ui.palette.muted);
  ImGui::SameLine();
  heading(ui, ui.texts(card.title), ui.palette.text);
  if (is_next) {
    ImGui::SameLine();
    pill(ui.texts(Text::loop_next), ui.palette.accent);
  }
  heading(ui, with_groups(card.count), card.count > 0 ? ui.palette.text : ui.palette.muted, 2.1F);
  if (card.lines.empty()) label(ui.texts(Text::age_never), ui.palette.muted);
  for (const std::string& line : card.lines)
    clipped(line, ui.palette.muted, size.x - 2 * pad);
  ImGui::EndGroup();
  draw_gauge(ui, card, {at.x + pad, end.y - pad - em(0.4F)}, size.x - 2 * pad);
  if (card.newest_at) {
    const std::string past = age_text(ui, *card.newest_at);
    const float width = ImGui::CalcTextSize(past.c_str()).x;
    ImGui::SetCursorScreenPos({end.x - pad - width, at.y + pad});
    label(past, ui.palette.muted);
  }
  ImGui::PopClipRect();
  ImGui::PopID();
}

void arrow(const Ui& ui, ImVec2 from, ImVec2 to) {
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float length = std::max(1.0F, std::abs(to.x - from.x) + std::abs(to.y - from.y));
  const ImVec2 along = {(to.x - from.x) / length, (to.y - from.y) / length}, across = {-along.y, along.x};
  const float head = em(0.55F);
  const ImVec2 neck = {to.x - along.x * head, to.y - along.y * head};
  draw.AddLine(from, neck, colour(ui.palette.muted), 2);
  draw.AddTriangleFilled(to, {neck.x + across.x * head * 0.6F, neck.y + across.y * head * 0.6F},
                         {neck.x - across.x * head * 0.6F, neck.y - across.y * head * 0.6F}, colour(ui.palette.muted));
}

// Three cards above, three below, arrows clockwise. Returns the height used.
float draw_ring(const Ui& ui, const std::array<Card, 6>& cards, Stage next, ImVec2 at, ImVec2 room) {
  const float gap_x = em(3.4F), gap_y = em(3.2F), air = em(0.4F), width = room.x;
  const float card_height = std::clamp((room.y - gap_y) / 2, em(10.2F), em(11));
  const float card_width = (width - 2 * gap_x) / 3;
  std::array<ImVec2, 6> corner{};
  for (size_t i = 0; i < 6; ++i) {
    const size_t column = i < 3 ? i : 5 - i;
    corner[i] = {at.x + static_cast<float>(column) * (card_width + gap_x), at.y + (i < 3 ? 0 : card_height + gap_y)};
    draw_card(ui, cards[i], cards[i].stage == next, corner[i], {card_width, card_height});
  }
  const float middle = card_height / 2;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    arrow(ui, {corner[i].x + card_width + air, corner[i].y + middle}, {corner[i + 1].x - air, corner[i].y + middle});
  }
  for (const size_t i : {size_t{3}, size_t{4}}) {
    arrow(ui, {corner[i].x - air, corner[i].y + middle}, {corner[i + 1].x + card_width + air, corner[i].y + middle});
  }
  const float centre = card_width / 2;
  arrow(ui, {corner[2].x + centre, corner[2].y + card_height + air}, {corner[3].x + centre, corner[3].y - air});
  arrow(ui, {corner[5].x + centre, corner[5].y - air}, {corner[0].x + centre, corner[0].y + card_height + air});
  ImGui::SetCursorScreenPos({corner[5].x + centre + em(0.9F), corner[5].y - (gap_y + ImGui::GetTextLineHeight()) / 2});
  label(ui.texts(Text::loop_back), ui.palette.muted);
  return 2 * card_height + gap_y;
}

}  // namespace

void LoopPanel::draw(const Ui& ui, const Snapshots& snapshots) {
  const LoopData* loop = snapshots.loop->data.get();
  if (loop == nullptr) {
    if (snapshots.loop->error.empty()) return empty_state(ui, "loading", ui.texts(Text::loading), snapshots.source, "");
    return empty_state(ui, "away", ui.texts(Text::status_down), ui.texts(Text::banner_retrying), "");
  }
  const NextAction next = next_action(*loop, ui.texts);
  // Below this width the cards would cut their numbers: the panel scrolls sideways instead.
  ImGui::BeginChild("ring", {0, 0}, ImGuiChildFlags_None, ImGuiWindowFlags_HorizontalScrollbar);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float width = std::max(ImGui::GetContentRegionAvail().x, em(52));
  const float next_height = em(9.5F);
  const ImVec2 room = {width, ImGui::GetContentRegionAvail().y - next_height};
  const float used = draw_ring(ui, make_cards(*loop, ui.texts), next.stage, at, room);
  ImGui::SetCursorScreenPos({at.x, at.y + used + em(1.6F)});
  if (begin_card(ui, "next", width)) {
    heading(ui, ui.texts(Text::loop_next_label), ui.palette.accent);
    paragraph(next.sentence, ui.palette.text);
    ImGui::Dummy({0, em(0.1F)});
    command_line(ui, "command", next.command);
  }
  end_card();
  ImGui::EndChild();
}

}  // namespace afina::gui
