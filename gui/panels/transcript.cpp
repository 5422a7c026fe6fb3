// SPDX-License-Identifier: Apache-2.0
#include "gui/panels/transcript.h"

#include <algorithm>
#include <array>

#include "gui/view_model/votes.h"
#include "gui/widgets.h"

namespace afina::gui {

namespace {

Text grade_text(int grade) {
  constexpr std::array<Text, 7> kByPosition = {Text::grade_a3, Text::grade_a2, Text::grade_a1, Text::grade_tie,
                                               Text::grade_b1, Text::grade_b2, Text::grade_b3};
  return kByPosition.at(static_cast<size_t>(scale_position(grade)));
}

Text outcome_text(const Vote& vote) {
  switch (vote.outcome) {
    case Outcome::both_good:
      return Text::outcome_both_good;
    case Outcome::both_bad:
      return Text::outcome_both_bad;
    case Outcome::cannot_judge:
      return Text::outcome_cannot_judge;
    default:
      return grade_text(vote.grade);
  }
}

Rgb outcome_colour(const Ui& ui, const Vote& vote) {
  if (vote.outcome == Outcome::both_bad) return ui.palette.error;
  if (vote.outcome != Outcome::graded || vote.grade == 0) return ui.palette.tie;
  return vote.grade > 0 ? ui.palette.chosen : ui.palette.rejected;
}

std::string role_text(const Ui& ui, const std::string& role) {
  if (role == "user") return ui.texts(Text::role_user);
  if (role == "assistant") return ui.texts(Text::role_assistant);
  return role == "system" ? ui.texts(Text::role_system) : role;
}

// The hour alone on the day of the conversation, else the date with it.
std::string vote_time(Time at, Time conversation) {
  const std::string whole = date_time(at);
  return whole.substr(0, 10) == date_time(conversation).substr(0, 10) ? whole.substr(11) : whole;
}

void draw_vote(const Ui& ui, const Vote& vote, const std::string& reason, Time day, float width) {
  if (vote.outcome == Outcome::graded && !vote.superseded) vote_scale(ui, vote.grade, std::min(width, em(14)));
  label(ui.texts(outcome_text(vote)), vote.superseded ? ui.palette.muted : outcome_colour(ui, vote));
  if (vote.superseded) {
    ImGui::SameLine();
    pill(ui.texts(Text::vote_superseded), ui.palette.muted);
  }
  clipped(cat(vote.annotator, "  ·  ", vote_time(vote.at, day), vote.source.empty() ? "" : "  ·  ", vote.source),
          ui.palette.muted, width);
  if (!reason.empty()) paragraph(reason, vote.superseded ? ui.palette.muted : ui.palette.text);
}

}  // namespace

void Transcript::prepare(const Ui& ui, const std::shared_ptr<const ConversationDetail>& detail) {
  const float width = ImGui::GetContentRegionAvail().x;
  if (detail == shown_ && width == width_) return;
  const bool another = shown_ == nullptr || shown_->id != detail->id;
  const auto has_glyph = [&](char32_t c) { return font_has_glyph(ui.fonts.regular, c); };
  shown_ = detail;
  width_ = width;
  drawables_.clear();
  for (const Turn& turn : detail->turns) {
    Drawable drawable;
    drawable.text = drawable_text(turn.text, has_glyph);
    for (const Answer& answer : turn.pair) {
      drawable.answers.push_back(answer.error.empty()
                                     ? drawable_text(answer.text, has_glyph)
                                     : ui.texts(Text::answer_error, drawable_text(answer.error, has_glyph, 400)));
    }
    for (const Vote& vote : turn.votes)
      drawable.reasons.push_back(drawable_text(vote.reason, has_glyph, 2000));
    drawables_.push_back(std::move(drawable));
  }
  if (another) ImGui::SetScrollY(0);
}

void Transcript::draw(const Ui& ui, const std::shared_ptr<const ConversationDetail>& detail) {
  heading(ui, cat("\u2026", short_id(detail->id)), ui.palette.text, 1.15F);
  ImGui::SetItemTooltip("%s", detail->id.c_str());
  ImGui::SameLine();
  if (!detail->language.empty()) {
    pill(one_line(detail->language, 12), ui.palette.accent);
    ImGui::SameLine();
  }
  if (!detail->source.empty()) {
    pill(one_line(detail->source, 16), ui.palette.muted);
    ImGui::SameLine();
  }
  right_aligned(cat(date_time(detail->created_at), " UTC"), ui.palette.muted);
  ImGui::Separator();
  ImGui::BeginChild("transcript", {0, 0});
  prepare(ui, detail);
  for (size_t i = 0; i < detail->turns.size(); ++i) {
    Drawable& drawable = drawables_[i];
    // A long conversation costs only what is on the screen.
    if (drawable.height > 0 && !ImGui::IsRectVisible({1, drawable.height})) {
      ImGui::Dummy({1, drawable.height});
      continue;
    }
    const float top = ImGui::GetCursorPosY();
    ImGui::PushID(static_cast<int>(i));
    draw_turn(ui, detail->turns[i], drawable, i);
    ImGui::PopID();
    drawable.height = ImGui::GetCursorPosY() - top - ImGui::GetStyle().ItemSpacing.y;
  }
  ImGui::Dummy({1, em(1)});
  ImGui::EndChild();
}

void Transcript::draw_turn(const Ui& ui, const Turn& turn, const Drawable& drawable, size_t index) {
  if (turn.pair.size() == 2) return draw_pair(ui, turn, drawable);
  const bool person = turn.role == "user";
  ImGui::Dummy({1, index == 0 ? 0 : em(0.2F)});
  heading(ui, role_text(ui, turn.role), person ? ui.palette.accent : ui.palette.muted);
  if (!turn.model.empty()) {
    ImGui::SameLine();
    label(turn.model, ui.palette.muted);
  }
  ImGui::SameLine();
  right_aligned(time_of_day(turn.at), ui.palette.muted);
  paragraph(drawable.text, ui.palette.text);
}

void Transcript::draw_pair(const Ui& ui, const Turn& turn, const Drawable& drawable) {
  const float width = ImGui::GetContentRegionAvail().x, gap = em(0.7F);
  const bool beside = width > em(48);  // votes in a third column, else below
  const float votes_width = beside ? em(15) : width;
  const float answer_width = beside ? (width - votes_width - 2 * gap) / 2 : (width - gap) / 2;
  ImGui::Dummy({1, em(0.2F)});
  draw_answer(ui, turn.pair[0], drawable.answers[0], true, answer_width);
  ImGui::SameLine(0, gap);
  draw_answer(ui, turn.pair[1], drawable.answers[1], false, answer_width);
  if (beside) ImGui::SameLine(0, gap);
  draw_votes(ui, turn, drawable, votes_width);
}

void Transcript::draw_answer(const Ui& ui, const Answer& answer, const std::string& text, bool is_a, float width) {
  if (begin_card(ui, is_a ? "answer_a" : "answer_b", width)) {
    letter_badge(ui, is_a ? "A" : "B", is_a ? ui.palette.chosen : ui.palette.rejected);
    ImGui::SameLine();
    ImGui::SetCursorPosY(ImGui::GetCursorPosY() + em(0.15F));  // the badge is 0.3 em taller than the text
    const float room = ImGui::GetContentRegionAvail().x;
    ImGui::PushFont(ui.fonts.semibold, 0);
    clipped(answer.model, ui.palette.text, room);
    ImGui::PopFont();
    std::string about = answer.adapter.empty() ? ui.texts(Text::answer_base) : answer.adapter;
    if (answer.tokens > 0) about += cat("  ·  ", ui.texts(Text::answer_tokens, with_groups(answer.tokens)));
    clipped(about, ui.palette.muted, ImGui::GetContentRegionAvail().x);
    ImGui::Separator();
    paragraph(text, answer.error.empty() ? ui.palette.text : ui.palette.error);
  }
  end_card();
}

void Transcript::draw_votes(const Ui& ui, const Turn& turn, const Drawable& drawable, float width) {
  if (begin_card(ui, "votes", width)) {
    const VoteTally counts = tally(turn.votes);
    heading(ui, cat(ui.texts(Text::votes_title), "  ", with_groups(counts.standing())), ui.palette.text);
    if (turn.votes.empty()) {
      paragraph(ui.texts(Text::votes_none), ui.palette.muted);
    } else {
      paragraph(ui.texts(Text::votes_tally, counts.for_a, counts.equal, counts.for_b), ui.palette.muted);
      if (counts.both_bad + counts.cannot_judge > 0) {
        paragraph(ui.texts(Text::votes_tally_bad, counts.both_bad, counts.cannot_judge), ui.palette.muted);
      }
    }
    for (size_t i = 0; i < turn.votes.size(); ++i) {
      ImGui::Separator();
      draw_vote(ui, turn.votes[i], drawable.reasons[i], turn.at, ImGui::GetContentRegionAvail().x);
    }
  }
  end_card();
}

}  // namespace afina::gui
