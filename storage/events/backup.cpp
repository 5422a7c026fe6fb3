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
#include "storage/database_url.h"
#include "storage/migrations.h"
#include "storage/pg_connection.h"

namespace afina::storage {
namespace {

namespace fs = std::filesystem;

/// What migrations themselves write: there in an empty database too.
const std::set<std::string> kSeeded = {"erasable", "schema_migration", "workspace"};

/// Both tools leave what an extension brought to that extension.
std::vector<std::string> table_names(PgConnection& connection) {
  const Result rows = connection.exec(
      "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' "
      "AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid "
      "AND d.deptype = 'e') ORDER BY c.relname");
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

/// The command with `--dbname` and the address after it. Everybody may read the arguments of a program: a password goes
/// through its environment, which its user alone can read.
void run(std::vector<std::string> command, const std::string& url, const std::string& what,
         const std::string& hint = "its own words are above") {
  SplitUrl split = split_password(url);
  command.insert(command.end(), {"--dbname", split.url});
  ChildOptions child;
  child.command = std::move(command);
  child.output = STDERR_FILENO;
  if (!split.password.empty()) child.environment = environment_with("PGPASSWORD", split.password);
  const int ended = wait_child(start_child(child));
  if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0) throw StorageError(cat("[backup] ", what, ", but failed."), hint);
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

/// A backup grants rights to these; a server that does not let us make them says so when the grants come.
constexpr const char* kMakeRoles = R"(
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['afina_web', 'afina_trainer'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
        NULL;
      END;
    END IF;
  END LOOP;
END $$)";

/// Everything in schema public that no extension owns. Tables go before sequences, which they may own; all names are
/// read first, since a CASCADE takes some away before their turn.
constexpr const char* kDropAll = R"(
DO $$
DECLARE
  words text[];
  word text;
BEGIN
  SELECT array_agg(format('DROP %s IF EXISTS %s CASCADE', o.kind, o.name) ORDER BY o.turn) INTO words FROM (
    SELECT k.turn, k.kind, format('public.%I', c.relname) AS name, 'pg_class'::regclass AS class, c.oid
    FROM pg_class c JOIN (VALUES ('v', 1, 'VIEW'), ('m', 1, 'MATERIALIZED VIEW'), ('r', 2, 'TABLE'), ('p', 2, 'TABLE'),
      ('f', 2, 'FOREIGN TABLE'), ('S', 3, 'SEQUENCE'), ('c', 5, 'TYPE')) AS k (relkind, turn, kind)
      ON k.relkind = c.relkind::text
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 4, 'ROUTINE', p.oid::regprocedure::text, 'pg_proc'::regclass, p.oid
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 5, 'TYPE', format('public.%I', t.typname), 'pg_type'::regclass, t.oid
    FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('d', 'e', 'r')
  ) AS o WHERE NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e');
  FOREACH word IN ARRAY coalesce(words, '{}') LOOP
    EXECUTE word;
  END LOOP;
END $$)";

/// Throws Conflict where rows were written, or tables stand that are not this program's.
void require_empty(PgConnection& connection) {
  const auto tables = contents(connection);
  if (!tables.empty() && applied_migrations(connection).empty()) {
    throw Conflict(cat("[restore] the database must be empty or Afina's own, but there is a table ", tables[0].table,
                       " and no schema_migration."),
                   "restore into a new database");
  }
  for (const TableContent& table : tables) {
    const bool fresh =
        table.rows == 0 || (kSeeded.contains(table.table) && (table.table != "workspace" || table.rows == 1));
    if (fresh) continue;
    throw Conflict(cat("[restore] the database must be empty, but table ", table.table, " has ", table.rows, " rows."),
                   "restore into a new one: --home of a new folder, or a new database's URL");
  }
}

/// What migrations of this program made would stand in the way of an older backup, and --clean of pg_restore names only
/// what that backup knows.
void make_bare(const std::string& url) {
  PgConnection connection(url);
  settle(connection);
  require_empty(connection);
  connection.script(kMakeRoles);
  if (!applied_migrations(connection).empty()) connection.script(kDropAll);
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
  if (applied_migrations(connection).empty()) {
    throw NotFound("[backup] there must be tables of Afina's, but there are none.", "is this the right database?");
  }
  connection.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const std::string snapshot = connection.exec("SELECT pg_export_snapshot() AS s").one().text("s");
  make_private(unfinished);
  std::vector<TableContent> tables;
  try {
    run({find_postgres() / "pg_dump", "--format=custom", "--no-owner", "--snapshot", snapshot, "--file", unfinished},
        url, cat("pg_dump must write ", target.string()));
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
  make_bare(url);
  run({find_postgres() / "pg_restore", "--no-owner", "--single-transaction", "--exit-on-error", file}, url,
      cat("pg_restore must read ", file.string()),
      "its own words are above; the database is empty. Where they name a role: CREATE ROLE afina_web NOLOGIN, CREATE "
      "ROLE afina_trainer NOLOGIN");
  const auto got = table_contents(url);
  if (const std::string other = difference(manifest.tables, got); !other.empty()) {
    throw StorageError(cat("[restore] every table must be as it was, but ", other, " is not."),
                       "do not use this database");
  }
  return got;
}

}  // namespace afina::storage
