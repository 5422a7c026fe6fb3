// SPDX-License-Identifier: Apache-2.0
// Rows of our own export "judgements": one judgement each, about answers A and B.
#include "base/error.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

// A nested column: JSON in JSON Lines, its text in Parquet.
Json list_at(const Json& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end() || found->is_null()) return Json::array();
  Json list = found->is_string() ? parse_json(found->get<std::string>(), name) : *found;
  if (!list.is_array()) refuse_row(cat("have a list as \"", name, "\", but it is none."));
  return list;
}

int side_of(const Json& note) {
  const std::string side = require_text_at(note, "answer");
  if (side != "a" && side != "b") refuse_row("name answer a or b, but does not.");
  return side == "b" ? 1 : 0;
}

std::optional<int64_t> whole_at(const Json& row, const char* name) {
  const auto found = row.find(name);
  if (found == row.end() || found->is_null()) return std::nullopt;
  if (!found->is_number_integer()) refuse_row(cat("have a whole number as \"", name, "\", but it is none."));
  return found->get<int64_t>();
}

std::optional<storage::Screen> screen_of(const Json& row) {
  const std::string word = text_at(row, "shown_layout");
  const auto width = whole_at(row, "shown_width_px"), height = whole_at(row, "shown_height_px");
  if (word.empty() && !width && !height) return std::nullopt;
  storage::Screen screen;
  if (!storage::from_string(word, screen.layout))
    refuse_row(cat("name a layout that is known, but it is \"", printable(word, 40), "\"."));
  // What no int holds is out of range as well.
  const auto size = [](const std::optional<int64_t>& given) {
    return static_cast<int>(std::clamp<int64_t>(given.value_or(0), 0, storage::kMaxViewportPx + 1));
  };
  screen.width_px = size(width);
  screen.height_px = size(height);
  return screen;
}

void read_outcome(const Json& row, ImportJudgement& j) {
  using Kind = ImportJudgement::Kind;
  const std::string outcome = require_text_at(row, "outcome");
  for (const Kind kind : {Kind::graded, Kind::both_good, Kind::both_bad, Kind::cannot_judge, Kind::retracted}) {
    if (to_string(kind) != outcome) continue;
    j.kind = kind;
    const auto grade = whole_at(row, "grade");
    if ((kind == Kind::graded) != grade.has_value())
      refuse_row("have a grade exactly where it is graded, but does not.");
    if (grade && (*grade < -3 || *grade > 3)) refuse_row("have a grade of -3 to 3, but it is outside.");
    j.grade = static_cast<int>(grade.value_or(0));
    return;
  }
  refuse_row(cat("have an outcome that is known, but it is \"", printable(outcome, 40), "\"."));
}

}  // namespace

void parse_judgement_row(const Json& row, const Emit& emit) {
  ImportRecord record;
  record.external_id = id_at(row, "pair_id");
  record.locale = locale_word(text_at(row, "locale"));
  const auto prompt = row.find("prompt");
  if (prompt == row.end()) refuse_row("have a prompt, but has none.");
  record.messages = messages_of(*prompt);
  record.answers = {{require_text_at(row, "answer_a"), text_at(row, "model_a")},
                    {require_text_at(row, "answer_b"), text_at(row, "model_b")}};
  ImportJudgement j;
  read_outcome(row, j);
  j.annotator = text_at(row, "annotator");
  j.external_id = require_text_at(row, "judgement_id");
  j.supersedes = text_at(row, "supersedes_id");
  j.reason = text_at(row, "reason");
  j.reason_language = text_at(row, "reason_language");
  j.rewrite = text_at(row, "rewrite");
  const auto confidence = whole_at(row, "confidence");
  if (confidence) j.confidence = static_cast<int>(std::clamp<int64_t>(*confidence, -1, 100));
  j.ms_to_decide = whole_at(row, "ms_to_decide");
  if (row.contains("left")) j.a_on_left = text_at(row, "left") == "a";
  j.screen = screen_of(row);
  j.blind = truth_at(row, "blind", true);
  for (const Json& note : list_at(row, "aspects"))
    j.aspects.push_back(
        {side_of(note), require_text_at(note, "aspect"), static_cast<int>(whole_at(note, "value").value_or(0))});
  for (const Json& note : list_at(row, "flags"))
    j.flags.push_back({side_of(note), require_text_at(note, "kind"), text_at(note, "note")});
  for (const Json& note : list_at(row, "spans")) {
    j.spans.push_back({side_of(note), require_text_at(note, "kind"), text_at(note, "note"),
                       whole_at(note, "start").value_or(-1), whole_at(note, "end").value_or(-1)});
  }
  record.judgements.push_back(std::move(j));
  emit(std::move(record));
}

}  // namespace afina::datasets
