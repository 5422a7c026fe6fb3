// SPDX-License-Identifier: Apache-2.0
// Files of other tools into ImportRecords, streamed: plain text, Markdown, questions with answers, JSON Lines in TRL's
// forms and our own, and exports of Argilla (v1, v2), Label Studio, Open-Assistant, LMSYS and ShareGPT. Pure: no
// database. Formats: docs/formats.md.
#pragma once
#include <functional>
#include <string>

#include "datasets/transfer/import_record.h"
#include "datasets/transfer/record_reader.h"

namespace afina::datasets {

struct ParseOptions {
  double rating_max = 5.0;   ///< best rating of Argilla and Label Studio, whose records do not say it; the worst is 1
  bool suggestions = false;  ///< also what models suggested in Argilla, as judgements of "agent:NAME"
};

/// Throws UsageError for a rating_max that is not more than 1 and at most 1,000.
void check_parse_options(const ParseOptions& options);

struct ImportSink {
  std::function<void(ImportRecord)> take;
  std::function<void(SkippedRow)> skip;
};

/// Calls take for each good record and skip for each bad row, in the order of the file; a bad row never ends the
/// reading. Throws what the source throws, and what take throws.
void parse_import(ImportFormat format, ByteSource& source, const ParseOptions& options, const ImportSink& sink);
/// Rows that were JSON already (a Parquet file's). Throws UsageError for formats that are no JSON.
class JsonRowParser {
 public:
  JsonRowParser(ImportFormat format, const ParseOptions& options, ImportSink sink);
  ~JsonRowParser();
  void row(const Json& row, int64_t line);
  /// What waits for later rows (the last tree of Open-Assistant).
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace afina::datasets
