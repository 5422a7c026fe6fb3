// SPDX-License-Identifier: Apache-2.0
// Pieces of SQL that all exports share, private to storage/transfer/. $1 purpose, $2 workspace, $3 locale, $4 project,
// $5 since; a NULL takes everything.
#pragma once
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

/// "JOIN …": the person in `visitor_id` has not withdrawn and allows $1. alias: of the joined tables.
inline std::string consented(const std::string& visitor_id, const std::string& alias) {
  return cat(" JOIN visitor ", alias, " ON ", alias, ".id = ", visitor_id, " AND ", alias,
             ".withdrawn_at IS NULL JOIN current_consent ", alias, "_consent ON ", alias,
             "_consent.visitor_id = ", alias, ".id AND ", alias, "_consent.granted AND $1::text = ANY(", alias,
             "_consent.purposes) ");
}

/// Condition on conversation c.
inline constexpr const char* kOpenConversation =
    " c.withdrawn_at IS NULL AND ($2::uuid IS NULL OR c.workspace_id = $2::uuid) "
    "AND ($3::text IS NULL OR c.locale = $3 OR starts_with(c.locale, $3 || '-')) ";

/// The messages before `turn` of a conversation, packed.
inline std::string packed_prompt(const std::string& conversation_id, const std::string& turn) {
  return cat("coalesce((SELECT string_agg(", packed_entry("left(m.role, 1)", "m.content"),
             ", '' ORDER BY m.turn) FROM message m WHERE m.conversation_id = ", conversation_id, " AND m.turn < ", turn,
             "), '')");
}

}  // namespace afina::storage
