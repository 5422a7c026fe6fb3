// SPDX-License-Identifier: Apache-2.0
// Everything that people said, as files: raw judgements, TRL's forms, rankings, conversations, submissions of task
// projects, notes on single answers, marks of single answers. Streamed out of one
// REPEATABLE READ transaction in memory that does not grow with the rows. People appear as pseudonyms whose salt is
// forgotten, so that two files cannot be joined by them.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "formats/parquet/row_writer.h"
#include "storage/database.h"
#include "storage/transfer/export_filter.h"

namespace afina::datasets {

enum class ExportKind { judgements, dpo, sft, kto, rankings, conversations, submissions, notes, scores };
std::string_view to_string(ExportKind kind);
bool from_string(std::string_view word, ExportKind& out);
/// All words of ExportKind, for messages: "judgements, dpo, … or scores".
std::string export_kind_words();

enum class ExportForm { jsonl, parquet };
std::string_view to_string(ExportForm form);
bool from_string(std::string_view word, ExportForm& out);
/// False for Parquet in builds without it.
bool can_write(ExportForm form);

struct ExportRequest {
  ExportKind kind = ExportKind::judgements;
  ExportForm form = ExportForm::jsonl;
  storage::ExportFilter filter;
  double margin_scale = 0.0;  ///< m₀ of dpo rows, nats; 0: the column is null and the run decides
  bool blind_only = true;     ///< dpo, sft, kto: only votes cast before the models' names were shown
  std::string actor;          ///< for the audit trail
};

struct ExportReport {
  int64_t rows = 0;
  uint64_t bytes = 0;
  std::string sha256;       ///< of what was written
  std::string salt_sha256;  ///< of the pseudonyms' salt, which nobody keeps
  bool complete = false;    ///< false: the sink did not want the rest
  std::map<std::string, int64_t> left_out;
};

/// Columns of each kind, in order: docs/formats.md.
std::vector<formats::Column> export_columns(ExportKind kind);

/// Calls sink with the file's bytes in order, then writes an audit row (kind, filter, rows, sha256), also where the
/// sink gave up. Throws StorageError where the database fails midway: what was written is no whole file then. Throws
/// UsageError for margin_scale below 0, and for Parquet without AFINA_PARQUET.
ExportReport export_data(storage::Database& database, const ExportRequest& request, const formats::ByteSink& sink);

}  // namespace afina::datasets
