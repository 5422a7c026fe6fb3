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
/// Changes nothing in the database, whatever its schema's version. Throws Conflict where either file exists, NotFound
/// where there are no tables of Afina's, UsageError where the folder lets anybody replace the files or the file system
/// does not keep them private, StorageError where pg_dump fails.
std::vector<TableContent> backup_database(const std::string& url, const std::filesystem::path& file);

/// Into a database without tables, or one of Afina's in which nothing was written yet: its tables and all else in
/// schema public that no extension owns are dropped first, so that a backup of any version can be read. Returns what is
/// there afterwards, with the schema of the backup: Database::open brings it up to date. Throws NotFound without a file
/// or manifest, Conflict where the database is not empty or not Afina's, DataError where the file is not the manifest's
/// (then nothing was changed), StorageError where pg_restore fails (then the database is empty) or a table differs from
/// the manifest.
std::vector<TableContent> restore_database(const std::string& url, const std::filesystem::path& file);

}  // namespace afina::storage
