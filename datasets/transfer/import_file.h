// SPDX-License-Identifier: Apache-2.0
// A file into the database: hashed, parsed record by record, stored in batches. A file may be given again: it is read
// again, and what is known already adds nothing.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datasets/transfer/import_parser.h"
#include "storage/database.h"
#include "storage/transfer/imports.h"

namespace afina::datasets {

/// Where the bytes are; read twice, once for their hash.
struct ImportFile {
  std::function<std::unique_ptr<ByteSource>()> open;
  std::filesystem::path parquet;  ///< not empty: rows of this Parquet file, for formats of rows
};

struct ImportRequest {
  ImportFormat format = ImportFormat::jsonl;
  ParseOptions parse;
  /// Not empty: records become items of that project, under account_id, instead of conversations. Judgements in the
  /// file are passed over and told.
  std::string project_id, account_id;
  storage::NewImport about;  ///< format, sha256, bytes, visitor and receipt are filled in
};

inline constexpr size_t kMostSkippedListed = 100;

struct ImportReport {
  std::string id;
  std::string receipt_code;  ///< takes the whole import back; empty where the file was there before
  bool repeated = false;     ///< this file was given before, whole, and brought nothing new this time
  storage::ImportCounts counts;
  int64_t items = 0;                ///< new ones of the project
  std::vector<SkippedRow> skipped;  ///< the first kMostSkippedListed
};

/// Reads and stores; a file that was given before too, since what was told beside it may differ. Throws what the source
/// throws; UsageError for options out of range; DataError for a declaration, licence or source name that is missing
/// or too long, for a file above 10 GiB, and for one that changed between its two readings: then its last batch is not
/// stored, and the import stays unfinished. NotFound: no such project in the workspace.
ImportReport import_file(storage::Database& database, const ImportFile& file, ImportRequest request);

/// Reads only: for tests, and to look before storing.
struct ParsedFile {
  std::vector<ImportRecord> records;
  std::vector<SkippedRow> skipped;
};
ParsedFile parse_whole(ImportFormat format, std::string_view text, const ParseOptions& options = {});

}  // namespace afina::datasets
