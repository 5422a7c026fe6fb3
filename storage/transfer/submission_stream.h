// SPDX-License-Identifier: Apache-2.0
// What annotators handed in, as they handed it in: submissions of task projects of every kind. Constant memory; views
// are valid until next().
#pragma once
#include <optional>
#include <string_view>

#include "storage/cursor.h"
#include "storage/transfer/export_filter.h"

namespace afina::storage {

/// Everything is about positions of the item's answers, whatever side they were shown on.
struct ExportSubmission {
  std::string_view id, project_id, project, item_id, external_id, conversation_id, locale, kind, phase, annotator_id;
  std::string_view prompt;   ///< PackedText; tag s, u, a or t for the role
  std::string_view answers;  ///< PackedText, by position, three entries each: tag POSITION/GENERATION with the text,
                             ///< "m" with the model's name, "d" with the adapter's id or ""
  std::string_view shown_order;            ///< JSON: positions from left to right
  std::string_view outcome;                ///< pairwise only
  std::string_view tiers;                  ///< JSON, best first; ranking only
  std::string_view aspects, flags, spans;  ///< PackedText, packed_details() of export_sql.h
  std::string_view rewrite, reason, reason_language;
  std::string_view source, preference_id;  ///< the vote it made; may be empty
  std::string_view adjudication_id;        ///< the reviewer's verdict that stands on the item; may be empty
  std::string_view purposes;               ///< what the annotator allows now, blanks between
  std::optional<int64_t> grade;            ///< 3: the answer at position 0 is much better … -3: the one at 1
  std::optional<int64_t> confidence, ms_to_decide;
  std::optional<bool> correct;  ///< of training and gold
  int64_t ms_on_screen = 0, guidelines_version = 0;
  int64_t created_us = 0;  ///< microseconds since 1970
  bool hasty = false;
  std::string_view layout;  ///< as the answers stood; empty: unknown
  std::optional<int64_t> width_px, height_px;
};

/// Of work, training and gold, in the order of ids. Of writers and annotators who allow filter.purpose and did not
/// withdraw. Of a reviewer's verdict the id is told only while it stands for the other kinds of export, too.
class SubmissionStream {
 public:
  /// The transaction must outlive it.
  SubmissionStream(Transaction& t, const ExportFilter& filter);
  bool next();
  const ExportSubmission& row() const { return row_; }

 private:
  Cursor rows_;
  ExportSubmission row_;
};

}  // namespace afina::storage
