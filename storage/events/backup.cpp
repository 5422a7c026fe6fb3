// SPDX-License-Identifier: Apache-2.0
#include "storage/events/backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "storage/child_process.h"
#include "storage/cluster_paths.h"
#include "storage/pg_connection.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;

/// What migrations themselves write: there in an empty database too.
const std::set<std::string> kSeeded = {"erasable", "schema_migration", "workspace"};

std::vector<std::string> table_names(PgConnection& connection) {
  const Result rows = connection.exec(
      "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' "
      "ORDER BY c.relname");
  std::vector<std::string> names;
  for (size_t i = 0; i < rows.size(); ++i)
    names.push_back(rows[i].text("relname"));
  return names;
}

std::vector<TableContent> contents(PgConnection& connection) {
  std::vector<TableContent> all;
  for (const std::string& table : table_names(connection)) {
    // Sums of two independent 60-bit pieces of every row's hash: any order, one pass.
    const Result sums = connection.exec(
        cat("SELECT count(*) AS n, coalesce(sum(('x' || left(h, 15))::bit(60)::bigint), 0)::text AS first, "
            "coalesce(sum(('x' || right(h, 15))::bit(60)::bigint), 0)::text AS second FROM (SELECT md5(t::text) AS h "
            "FROM public.\"",
            table, "\" t) AS hashed"));
    const Row row = sums.one();
    all.push_back(
        {table, row.integer("n"), sha256_hex(cat(row.integer("n"), " ", row.text("first"), " ", row.text("second")))});
  }
  return all;
}

/// The same words for the same values wherever it runs.
void settle(PgConnection& connection) {
  connection.script(
      "SET client_encoding = 'UTF8'; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; "
      "SET extra_float_digits = 3; SET bytea_output = 'hex'; SET statement_timeout = 0; SET search_path = public");
}

fs::path manifest_of(const fs::path& file) {
  return file.string() + ".manifest.json";
}

void run(const std::vector<std::string>& command, const std::string& what) {
  ChildOptions child;
  child.command = command;
  child.output = STDERR_FILENO;
  const int ended = wait_child(start_child(child));
  if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) {
    throw StorageError(cat("[backup] ", what, ", but failed."), "its own words are above");
  }
}

/// A new, empty file that only its owner can read. Throws where that cannot be had.
void make_private(const fs::path& file) {
  Descriptor made(::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  if (!made) throw Conflict(cat("[backup] ", file.string(), " must be a new file, but cannot be made as one."));
  struct stat about {};
  if (::fstat(made.get(), &about) == 0 && (about.st_mode & 077) == 0) return;
  fs::remove(file);
  throw UsageError(
      cat("[backup] ", file.string(), " must be readable by its owner only, but others can read it there."),
      "take a file system that keeps permissions");
}

void check_folder(const fs::path& folder) {
  struct stat about {};
  if (::stat(folder.c_str(), &about) != 0)
    throw NotFound(cat("[backup] the folder ", folder.string(), " must exist, but does not."));
  if ((about.st_mode & S_IWOTH) != 0 && (about.st_mode & S_ISVTX) == 0) {
    throw UsageError(cat("[backup] ", folder.string(), " must not be writable by everybody, but is."),
                     "anybody could put another file in the backup's place");
  }
}

void write_private(const fs::path& file, const std::string& text) {
  make_private(file);
  Descriptor out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!out || ::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw StorageError(cat("[backup] ", file.string(), " must be written, but was not."));
  }
}

struct Manifest {
  std::string sha256;
  std::vector<TableContent> tables;
};

Manifest read_manifest(const fs::path& file) {
  if (!fs::exists(file)) throw NotFound(cat("[backup] ", file.string(), " must exist, but does not."));
  const fs::path path = manifest_of(file);
  if (!fs::exists(path)) {
    throw NotFound(cat("[backup] ", path.string(), " must exist, but does not."),
                   "a backup is two files; without this one nothing can be compared");
  }
  const Json json = parse_json(read_file(path.string()), path.string());
  Manifest manifest{json.at("sha256"), {}};
  for (const Json& table : json.at("tables"))
    manifest.tables.push_back({table.at("table"), table.at("rows"), table.at("sha256")});
  return manifest;
}

void require_empty(const std::string& url) {
  PgConnection connection(url);
  settle(connection);
  for (const TableContent& table : contents(connection)) {
    const bool fresh =
        table.rows == 0 || (kSeeded.contains(table.table) && (table.table != "workspace" || table.rows == 1));
    if (fresh) continue;
    throw Conflict(cat("[restore] the database must be empty, but table ", table.table, " has ", table.rows, " rows."),
                   "restore into a new one: --home of a new folder, or a new database's URL");
  }
}

std::string difference(const std::vector<TableContent>& wanted, const std::vector<TableContent>& got) {
  for (const TableContent& table : wanted) {
    if (std::ranges::find(got, table) == got.end()) return table.table;
  }
  return wanted.size() == got.size() ? "" : "one that was not in the backup";
}

}  // namespace

std::vector<TableContent> table_contents(const std::string& url) {
  PgConnection connection(url);
  settle(connection);
  connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  return contents(connection);
}

Json to_json(const std::vector<TableContent>& tables) {
  Json all = Json::array();
  for (const TableContent& table : tables)
    all.push_back({{"table", table.table}, {"rows", table.rows}, {"sha256", table.sha256}});
  return all;
}

std::vector<TableContent> backup_database(const std::string& url, const fs::path& file) {
  const fs::path target = fs::absolute(file), unfinished = target.string() + ".part";
  for (const fs::path& path : {target, manifest_of(target), unfinished}) {
    if (fs::exists(path)) throw Conflict(cat("[backup] ", path.string(), " must be a new file, but exists."));
  }
  check_folder(target.parent_path());
  PgConnection connection(url);
  settle(connection);
  connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const std::string snapshot = connection.exec("SELECT pg_export_snapshot() AS s").one().text("s");
  make_private(unfinished);
  std::vector<TableContent> tables;
  try {
    run({find_postgres() / "pg_dump", "--format=custom", "--no-owner", "--snapshot", snapshot, "--file", unfinished,
         url},
        cat("pg_dump must write ", target.string()));
    tables = contents(connection);
    sync_path(unfinished);
    const OrderedJson manifest{{"made_at", now_iso8601()},
                               {"sha256", sha256_file_hex(unfinished.string())},
                               {"tables", OrderedJson::parse(dump_json(to_json(tables)))}};
    write_private(manifest_of(target), dump_json(manifest, 1) + "\n");
  } catch (...) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    fs::remove(manifest_of(target), ignored);
    throw;
  }
  fs::rename(unfinished, target);
  sync_path(target.parent_path());
  return tables;
}

std::vector<TableContent> restore_database(const std::string& url, const fs::path& file) {
  const Manifest manifest = read_manifest(file);
  if (sha256_file_hex(file.string()) != manifest.sha256) {
    throw DataError(cat("[restore] ", file.string(), " must be the file of its manifest, but its hash is another."));
  }
  require_empty(url);
  run({find_postgres() / "pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction",
       "--exit-on-error", "--dbname", url, file},
      cat("pg_restore must read ", file.string()));
  const auto got = table_contents(url);
  if (const std::string other = difference(manifest.tables, got); !other.empty()) {
    throw StorageError(cat("[restore] every table must be as it was, but ", other, " is not."),
                       "do not use this database");
  }
  return got;
}

}  // namespace afina::storage
