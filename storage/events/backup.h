// SPDX-License-Identifier: Apache-2.0
// Backup and restore of a whole database with PostgreSQL's own tools, and the comparison that proves a restore: rows
// and a hash of the content of every table, taken in the very snapshot that was dumped.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"

namespace afina::storage {

struct TableContent {
  std::string table;
  int64_t rows = 0;
  std::string sha256;  ///< over count and sums of row hashes: the order of rows does not matter
  bool operator==(const TableContent&) const = default;
};
/// Of every table of schema public, by name. Constant memory.
std::vector<TableContent> table_contents(const std::string& url);
Json to_json(const std::vector<TableContent>& tables);

/// Writes `file` (pg_dump's custom format) and `file`.manifest.json, both for their owner only, whole or not at all.
/// Throws Conflict where either exists, UsageError where the folder lets anybody replace them or the file system does
/// not keep them private, StorageError where pg_dump fails.
std::vector<TableContent> backup_database(const std::string& url, const std::filesystem::path& file);

/// Into a database of this program's schema in which nothing was written yet. Returns what is there afterwards. Throws
/// NotFound without a file or manifest, Conflict where the database is not empty, DataError where the file is not the
/// manifest's, StorageError where pg_restore fails (then nothing was changed) or a table differs from the manifest.
std::vector<TableContent> restore_database(const std::string& url, const std::filesystem::path& file);

}  // namespace afina::storage
