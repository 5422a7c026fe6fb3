// SPDX-License-Identifier: Apache-2.0
#include "storage/transfer/mark_stream.h"

#include <cstdlib>

#include "storage/transaction.h"
#include "storage/transfer/export_sql.h"

namespace afina::storage {
namespace {

std::string marks_sql() {
  return cat("SELECT s.id, c.id, c.locale, s.annotator_id, g.id, g.text, g.model, g.adapter_id, ",
             packed_prompt("c.id", "g.turn"),
             ", c.source, f.name, s.question, array_to_string(judge_consent.purposes, ' '), s.value::text, "
             "s.scale::text, g.turn, ",
             micros_of("s.created_at"), ", NOT (", kStandingMark,
             ") FROM answer_score s JOIN generation g ON g.id = s.generation_id "
             "JOIN conversation c ON c.id = g.conversation_id "
             "LEFT JOIN import_conversation ic ON ic.conversation_id = c.id LEFT JOIN import i ON i.id = ic.import_id "
             "LEFT JOIN import_source f ON f.id = i.source_id",
             consented("c.visitor_id", "owner"), consented("s.visitor_id", "judge"), "WHERE", kOpenConversation,
             kInProject, "AND ($5::timestamptz IS NULL OR s.created_at >= $5::timestamptz) ORDER BY s.id");
}

}  // namespace

MarkStream::MarkStream(Transaction& t, const ExportFilter& filter)
    : rows_(t, "export_marks", marks_sql(), export_params(filter),
            {.rows_per_fetch = 200, .ahead = filter.fetch_ahead}) {}

bool MarkStream::next() {
  if (!rows_.next()) return false;
  size_t column = 0;
  for (std::string_view* cell :
       {&row_.id, &row_.conversation_id, &row_.locale, &row_.annotator_id, &row_.generation_id, &row_.text, &row_.model,
        &row_.adapter_id, &row_.prompt, &row_.source, &row_.file, &row_.question, &row_.purposes})
    *cell = rows_.text(column++);
  row_.value = std::strtod(std::string(rows_.text(column++)).c_str(), nullptr);
  const std::string scale(rows_.text(column++));
  row_.scale = scale.empty() ? std::nullopt : std::optional(std::strtod(scale.c_str(), nullptr));
  row_.turn = rows_.whole(column++);
  row_.created_us = rows_.whole(column++);
  row_.superseded = rows_.truth(column);
  return true;
}

}  // namespace afina::storage
