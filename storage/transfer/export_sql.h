// SPDX-License-Identifier: Apache-2.0
// Pieces of SQL that all exports share, private to storage/transfer/. $1 purpose, $2 workspace, $3 locale, $4 project,
// $5 since; a NULL takes everything.
#pragma once
#include <array>
#include <string>

#include "storage/sql.h"
#include "storage/transfer/export_filter.h"
#include "storage/transfer/packed_text.h"

namespace afina::storage {

inline Params export_params(const ExportFilter& filter) {
  Params p;
  p.text(filter.purpose).text_or_null(filter.workspace_id).text_or_null(filter.locale);
  return p.text_or_null(filter.project_id).time(filter.since);
}

/// Condition on a row of current_consent: it allows $1. Written as a CASE because the planner knows nothing of what
/// lies beneath that view: of a plain AND it expects one person in two hundred and joins row by row, of this one half.
inline std::string allows(const std::string& consent) {
  return cat("CASE WHEN ", consent, ".granted THEN $1::text = ANY (", consent, ".purposes) ELSE false END");
}

/// "JOIN …": the person in `visitor_id` has not withdrawn and allows $1. alias: of the joined tables.
inline std::string consented(const std::string& visitor_id, const std::string& alias) {
  return cat(" JOIN visitor ", alias, " ON ", alias, ".id = ", visitor_id, " AND ", alias,
             ".withdrawn_at IS NULL JOIN current_consent ", alias, "_consent ON ", alias,
             "_consent.visitor_id = ", alias, ".id AND ", allows(alias + "_consent"), " ");
}

/// Condition on conversation c.
inline constexpr const char* kOpenConversation =
    " c.withdrawn_at IS NULL AND ($2::uuid IS NULL OR c.workspace_id = $2::uuid) "
    "AND ($3::text IS NULL OR c.locale = $3 OR starts_with(c.locale, $3 || '-')) ";

/// Condition on conversation c: it is the matter of an item of project $4.
inline constexpr const char* kInProject =
    "AND ($4::uuid IS NULL OR EXISTS (SELECT FROM item i WHERE i.conversation_id = c.id AND i.project_id = $4::uuid)) ";

/// SQL of a time as microseconds since 1970.
inline std::string micros_of(const std::string& time) {
  return cat("(extract(epoch FROM ", time, ") * 1000000)::bigint");
}

/// A table `d` of details of acts, with the PackedText entry of one row of it and the order of entries.
struct DetailTable {
  std::string name, entry, order;
};
/// Aspects, flags and spans: tags GENERATION/ASPECT/VALUE without a text, GENERATION/KIND and
/// GENERATION/KIND/START/END with the note.
inline std::array<DetailTable, 3> detail_tables() {
  return {
      {{"aspect_rating", packed_entry("d.generation_id || '/' || d.aspect || '/' || d.value", "''"),
        "d.generation_id, d.aspect"},
       {"answer_flag", packed_entry("d.generation_id || '/' || d.kind", "d.note"), "d.generation_id, d.kind"},
       {"span_note", packed_entry("d.generation_id || '/' || d.kind || '/' || d.start_at || '/' || d.end_at", "d.note"),
        "d.ordinal"}}};
}

/// SQL of the details of act `id`, a column for each of detail_tables(). For exports in which most acts have some.
inline std::string packed_details(const std::string& id) {
  std::string columns;
  for (const DetailTable& table : detail_tables()) {
    columns += cat(columns.empty() ? "" : ", ", "coalesce((SELECT string_agg(", table.entry, ", '' ORDER BY ",
                   table.order, ") FROM ", table.name, " d WHERE d.act_id = ", id, "), '')");
  }
  return columns;
}

/// The messages before `turn` of a conversation, packed.
inline std::string packed_prompt(const std::string& conversation_id, const std::string& turn) {
  return cat("coalesce((SELECT string_agg(", packed_entry("left(m.role, 1)", "m.content"),
             ", '' ORDER BY m.turn) FROM message m WHERE m.conversation_id = ", conversation_id, " AND m.turn < ", turn,
             "), '')");
}

}  // namespace afina::storage
