// SPDX-License-Identifier: Apache-2.0
// What people noted on single answers in the chat. Constant memory; views are valid until next().
#pragma once
#include <string_view>

#include "storage/cursor.h"
#include "storage/transfer/export_filter.h"

namespace afina::storage {

struct ExportNote {
  std::string_view id, conversation_id, locale, annotator_id, generation_id, text, model, adapter_id;
  std::string_view prompt;                 ///< PackedText; tag s, u, a or t for the role
  std::string_view aspects, flags, spans;  ///< PackedText, packed_details() of export_sql.h
  std::string_view rewrite, reason, reason_language, source, supersedes_id;
  std::string_view purposes;         ///< what the person allows now, blanks between
  int64_t turn = 0, created_us = 0;  ///< microseconds since 1970
  bool superseded = false;           ///< the person noted something else later
};

/// Also notes in whose place later ones stand, in the order of ids; of people who allow filter.purpose and did not
/// withdraw. filter.project_id: on conversations that are the matter of its items.
class NoteStream {
 public:
  /// The transaction must outlive it.
  NoteStream(Transaction& t, const ExportFilter& filter);
  bool next();
  const ExportNote& row() const { return row_; }

 private:
  Cursor rows_;
  ExportNote row_;
};

}  // namespace afina::storage
