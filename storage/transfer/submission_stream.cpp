// SPDX-License-Identifier: Apache-2.0
#include "storage/transfer/submission_stream.h"

#include "storage/transaction.h"
#include "storage/transfer/export_sql.h"

namespace afina::storage {
namespace {

// As settled.cpp counts verdicts: of reviewers who did not withdraw or refuse the purpose.
std::string verdict_on_item() {
  return cat(
      "(SELECT x.id FROM standing_adjudication x LEFT JOIN visitor me ON me.id = x.visitor_id LEFT JOIN "
      "current_consent mine ON mine.visitor_id = me.id "
      "WHERE x.item_id = s.item_id AND s.phase = 'work' AND (me.id IS NULL OR (me.withdrawn_at IS NULL AND ",
      allows("mine"), ")))");
}

std::string answers_of(const std::string& item_id) {
  return cat("coalesce((SELECT string_agg(", packed_entry("ia.position || '/' || g.id", "g.text"), " || ",
             packed_entry("'m'", "g.model"), " || ", packed_entry("'d'", "coalesce(g.adapter_id::text, '')"),
             ", '' ORDER BY ia.position) FROM item_answer ia JOIN generation g ON g.id = ia.generation_id "
             "WHERE ia.item_id = ",
             item_id, "), '')");
}

std::string submissions_sql() {
  return cat(
      "SELECT s.id, s.project_id, project.name, s.item_id, i.external_id, c.id, c.locale, s.kind, s.phase, "
      "s.annotator_id, ",
      packed_prompt("c.id", "i.turn"), ", ", answers_of("s.item_id"), ", to_json(s.shown_order), s.outcome, s.tiers, ",
      packed_details("s.id"), ", s.rewrite, s.reason, l.language, s.source, s.preference_id, ", verdict_on_item(),
      ", array_to_string(judge_consent.purposes, ' '), s.shown_layout, s.grade, s.confidence, s.ms_to_decide, "
      "s.shown_width_px, s.shown_height_px, s.correct, "
      "s.ms_on_screen, s.guidelines_version, ",
      micros_of("s.created_at"),
      ", s.hasty FROM submission s JOIN item i ON i.id = s.item_id JOIN project ON project.id = s.project_id "
      "JOIN conversation c ON c.id = i.conversation_id",
      consented("c.visitor_id", "owner"), consented("s.visitor_id", "judge"),
      "LEFT JOIN reason_language l ON l.act_id = s.id WHERE", kOpenConversation,
      "AND ($2::uuid IS NULL OR project.workspace_id = $2::uuid) AND ($4::uuid IS NULL OR s.project_id = $4::uuid) "
      "AND ($5::timestamptz IS NULL OR s.created_at >= $5::timestamptz) ORDER BY s.id");
}

}  // namespace

SubmissionStream::SubmissionStream(Transaction& t, const ExportFilter& filter)
    : rows_(t, "export_submissions", submissions_sql(), export_params(filter),
            {.rows_per_fetch = 100, .ahead = filter.fetch_ahead}) {}

bool SubmissionStream::next() {
  if (!rows_.next()) return false;
  size_t column = 0;
  for (std::string_view* cell : {&row_.id,           &row_.project_id,    &row_.project,
                                 &row_.item_id,      &row_.external_id,   &row_.conversation_id,
                                 &row_.locale,       &row_.kind,          &row_.phase,
                                 &row_.annotator_id, &row_.prompt,        &row_.answers,
                                 &row_.shown_order,  &row_.outcome,       &row_.tiers,
                                 &row_.aspects,      &row_.flags,         &row_.spans,
                                 &row_.rewrite,      &row_.reason,        &row_.reason_language,
                                 &row_.source,       &row_.preference_id, &row_.adjudication_id,
                                 &row_.purposes,     &row_.layout})
    *cell = rows_.text(column++);
  for (std::optional<int64_t>* cell :
       {&row_.grade, &row_.confidence, &row_.ms_to_decide, &row_.width_px, &row_.height_px})
    *cell = rows_.maybe_whole(column++);
  row_.correct = rows_.is_null(column) ? std::nullopt : std::optional(rows_.truth(column));
  ++column;
  for (int64_t* cell : {&row_.ms_on_screen, &row_.guidelines_version, &row_.created_us})
    *cell = rows_.whole(column++);
  row_.hasty = rows_.truth(column);
  return true;
}

}  // namespace afina::storage
