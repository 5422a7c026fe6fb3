// SPDX-License-Identifier: Apache-2.0
// Marks of single answers that files brought, each as it was given. Constant memory; views are valid until next().
#pragma once
#include <optional>
#include <string_view>

#include "storage/cursor.h"
#include "storage/transfer/export_filter.h"

namespace afina::storage {

/// SQL condition on answer_score s: nobody read the same mark on another scale later.
inline constexpr const char* kStandingMark =
    " NOT EXISTS (SELECT FROM answer_score later WHERE later.generation_id = s.generation_id "
    "AND later.annotator_id = s.annotator_id AND later.question = s.question "
    "AND later.scale IS DISTINCT FROM s.scale AND (later.created_at, later.id) > (s.created_at, s.id)) ";

/// SQL condition on answer_score s: it says how good the answer is as a whole. The tool asked one question only, or one
/// whose name says so: overall, quality, rating, score, general, calidad, qualidade, puntuación, pontuação, nota,
/// valoración, avaliação and these two or three together, also with the name of the answer behind
/// ("rating_response_2").
inline constexpr const char* kOverallMark =
    " lower(s.question) ~ '^(((overall|general|global|total|quality|rating|rate|score|calidad|qualidade|puntuaci[oó]n|"
    "pontua[cç][aã]o|nota|valoraci[oó]n|avalia[cç][aã]o|geral)[ _.-]*){1,3}((de|da|of|the|la|a)[ _.-]+)*"
    "((response|answer|completion|output|generation|text|option|respuesta|resposta)?[ _.-]*([0-9]{1,3}|[ab])?)?)?$' ";

struct ExportMark {
  std::string_view id, conversation_id, locale, annotator_id, generation_id, text, model, adapter_id;
  std::string_view prompt;           ///< PackedText; tag s, u, a or t for the role
  std::string_view source;           ///< of the conversation: import
  std::string_view file;             ///< the importer's name for where it comes from
  std::string_view question;         ///< "" where the tool asks one
  std::string_view purposes;         ///< what the person allows now, blanks between
  double value = 0.0;                ///< 0..1
  std::optional<double> scale;       ///< best mark of the scale on which it was read; nothing: 0..1
  int64_t turn = 0, created_us = 0;  ///< microseconds since 1970
  bool superseded = false;           ///< the same was read on another scale later
};

/// Also marks that were read on another scale later, in the order of ids; of writers and raters who allow
/// filter.purpose and did not withdraw.
class MarkStream {
 public:
  /// The transaction must outlive it.
  MarkStream(Transaction& t, const ExportFilter& filter);
  bool next();
  const ExportMark& row() const { return row_; }

 private:
  Cursor rows_;
  ExportMark row_;
};

}  // namespace afina::storage
