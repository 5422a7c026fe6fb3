// SPDX-License-Identifier: Apache-2.0
#include "storage/migrations.h"

#include <charconv>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "embedded/schema_files.h"
#include "storage/pg_connection.h"

namespace afina::storage {
namespace {

// Any constant will do, as long as every program of ours uses the same.
constexpr const char* kAdvisoryLock = "SELECT pg_advisory_xact_lock(4706253441)";

int newest(const std::vector<Migration>& known) {
  return known.empty() ? 0 : known.back().version;
}

void check_history(const std::vector<AppliedMigration>& applied, const std::vector<Migration>& known) {
  for (size_t i = 0; i < applied.size(); ++i) {
    const AppliedMigration& old = applied[i];
    if (i >= known.size()) {
      throw Conflict(cat("[storage.migrations] the schema must not be newer than this program, which knows version ",
                         newest(known), ", but it has version ", old.version, " (", old.name, ")."),
                     "use the newer program");
    }
    const Migration& ours = known[i];
    if (old.version != ours.version || old.sha256 != ours.sha256) {
      throw Conflict(
          cat("[storage.migrations] version ", old.version, " must be ", ours.name, " with SHA-256 ",
              ours.sha256.substr(0, 12), "…, but the database was made with ", old.sha256.substr(0, 12), "…"),
          "this database belongs to another build; use that one, or another database");
    }
  }
}

// One migration, if nobody was faster. Returns false where there is nothing left to do.
bool apply_next(PgConnection& connection, const std::vector<Migration>& known) {
  connection.script("BEGIN; SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '120s'");
  try {
    connection.script(kAdvisoryLock);
    const std::vector<AppliedMigration> applied = applied_migrations(connection);
    check_history(applied, known);
    if (applied.size() == known.size()) {
      connection.script("ROLLBACK");
      return false;
    }
    const Migration& next = known[applied.size()];
    if (applied.empty()) {
      connection.script(
          "CREATE TABLE schema_migration (version integer PRIMARY KEY CHECK (version > 0), name text NOT NULL, "
          "sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())");
    }
    connection.script("SET LOCAL lock_timeout = '3s'");
    connection.script(next.sql);
    connection.exec("INSERT INTO schema_migration (version, name, sha256) VALUES ($1::integer, $2, $3)",
                    Params().integer(int64_t{next.version}).text(next.name).text(next.sha256));
    connection.script("COMMIT");
    return true;
  } catch (...) {
    if (!connection.broken()) connection.script("ROLLBACK");
    throw;
  }
}

}  // namespace

std::vector<Migration> embedded_migrations() {
  std::vector<Migration> out;
  for (const EmbeddedFile& file : schema_files()) {
    Migration migration;
    const std::string_view name = file.name.substr(file.name.rfind('/') + 1);
    std::from_chars(name.data(), name.data() + name.size(), migration.version);
    migration.name = name;
    migration.sql = file.bytes;
    migration.sha256 = sha256_hex(file.bytes);
    out.push_back(std::move(migration));
    AFINA_CHECK(out.size() < 2 || out.back().version > out[out.size() - 2].version, "migrations ascend: ", name);
  }
  return out;
}

std::vector<AppliedMigration> applied_migrations(PgConnection& connection) {
  // Not to_regclass: within a transaction it may answer from a cache that knows nothing of other sessions.
  const Result there = connection.exec(
      "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
      "WHERE c.relname = 'schema_migration' AND n.nspname = current_schema()");
  if (there.empty()) return {};
  std::vector<AppliedMigration> out;
  const Result rows =
      connection.exec("SELECT version, name, sha256, applied_at FROM schema_migration ORDER BY version");
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back({static_cast<int>(rows[i].integer("version")), rows[i].text("name"), rows[i].text("sha256"),
                   rows[i].text("applied_at")});
  }
  return out;
}

int migrate(PgConnection& connection, const std::vector<Migration>& known, bool apply) {
  // Most starts find nothing to do: look before taking the lock.
  const std::vector<AppliedMigration> applied = applied_migrations(connection);
  check_history(applied, known);
  if (applied.size() < known.size() && !apply) {
    throw Conflict(cat("[storage.migrations] the schema must have version ", newest(known), ", but has ",
                       applied.empty() ? 0 : applied.back().version, "."),
                   "run: afina db migrate");
  }
  if (applied.size() < known.size()) {
    int done = 0;
    while (apply_next(connection, known))
      ++done;
    if (done > 0) log_info("storage", "schema brought to version ", newest(known));
  }
  return newest(known);
}

}  // namespace afina::storage
