// SPDX-License-Identifier: Apache-2.0
#include "storage/transfer/note_stream.h"

#include "storage/transaction.h"
#include "storage/transfer/export_sql.h"

namespace afina::storage {
namespace {

std::string notes_sql() {
  return cat("SELECT n.id, c.id, c.locale, n.annotator_id, g.id, g.text, g.model, g.adapter_id, ",
             packed_prompt("c.id", "g.turn"), ", ", packed_details("n.id"),
             ", n.rewrite, n.reason, l.language, n.source, n.supersedes_id, "
             "array_to_string(judge_consent.purposes, ' '), g.turn, ",
             micros_of("n.created_at"),
             ", EXISTS (SELECT FROM answer_note later WHERE later.supersedes_id = n.id) FROM answer_note n "
             "JOIN generation g ON g.id = n.generation_id JOIN conversation c ON c.id = n.conversation_id",
             consented("c.visitor_id", "owner"), consented("n.visitor_id", "judge"),
             "LEFT JOIN reason_language l ON l.act_id = n.id WHERE", kOpenConversation, kInProject,
             "AND ($5::timestamptz IS NULL OR n.created_at >= $5::timestamptz) ORDER BY n.id");
}

}  // namespace

NoteStream::NoteStream(Transaction& t, const ExportFilter& filter)
    : rows_(t, "export_notes", notes_sql(), export_params(filter),
            {.rows_per_fetch = 200, .ahead = filter.fetch_ahead}) {}

bool NoteStream::next() {
  if (!rows_.next()) return false;
  size_t column = 0;
  for (std::string_view* cell :
       {&row_.id, &row_.conversation_id, &row_.locale, &row_.annotator_id, &row_.generation_id, &row_.text, &row_.model,
        &row_.adapter_id, &row_.prompt, &row_.aspects, &row_.flags, &row_.spans, &row_.rewrite, &row_.reason,
        &row_.reason_language, &row_.source, &row_.supersedes_id, &row_.purposes})
    *cell = rows_.text(column++);
  row_.turn = rows_.whole(column++);
  row_.created_us = rows_.whole(column++);
  row_.superseded = rows_.truth(column);
  return true;
}

}  // namespace afina::storage
