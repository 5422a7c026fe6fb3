// SPDX-License-Identifier: Apache-2.0
// Forward-only, numbered, hashed schema changes (schema/NNN_name.sql, embedded). Each is applied in one transaction
// under an advisory lock, so any number of programs may start at once.
#pragma once
#include <string>
#include <vector>

namespace afina::storage {

class PgConnection;

struct Migration {
  int version = 0;
  std::string name;
  std::string sql;
  std::string sha256;
};

/// Those of this program, ascending; a number may be left out, and never comes later.
std::vector<Migration> embedded_migrations();

struct AppliedMigration {
  int version = 0;
  std::string name, sha256, applied_at;
};
/// Empty for a database that Afina never touched.
std::vector<AppliedMigration> applied_migrations(PgConnection& connection);

/// Brings the schema up to date and returns its version. apply=false only checks. Throws Conflict for a schema that is
/// newer than `known`, was made from other text, or (apply=false) is older; what the server says otherwise.
int migrate(PgConnection& connection, const std::vector<Migration>& known, bool apply = true);

}  // namespace afina::storage
