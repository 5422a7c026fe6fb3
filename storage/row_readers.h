// SPDX-License-Identifier: Apache-2.0
// Rows to structs, and the column lists that go with them, for stores that read the same tables. Private to storage/.
#pragma once
#include <string>

#include "base/error.h"
#include "storage/adapters.h"
#include "storage/conversations.h"
#include "storage/preferences.h"
#include "storage/runs.h"
#include "storage/snapshots.h"
#include "storage/sql.h"

namespace afina::storage {

/// A word that the schema's CHECK allows; InternalError otherwise.
template <typename E>
E word(const Row& row, std::string_view column) {
  E value{};
  if (!from_string(row.text(column), value)) {
    throw InternalError(
        cat("[storage] column ", column, " must hold a known word, but holds '", row.text(column), "'."));
  }
  return value;
}

Conversation read_conversation(const Row& row);  ///< conversation.*
Message read_message(const Row& row);            ///< message.*
Generation read_generation(const Row& row);      ///< generation.*
Pair read_pair(const Row& row);                  ///< pair.*
Exposure read_exposure(const Row& row);          ///< exposure.*
/// preference.*, annotator_name, superseded; see kPreferenceColumns.
Preference read_preference(const Row& row);
Rewrite read_rewrite(const Row& row);    ///< rewrite.*
Snapshot read_snapshot(const Row& row);  ///< snapshot.*
Run read_run(const Row& row);            ///< run.*
Adapter read_adapter(const Row& row);    ///< adapter.*, to_json(target_modules) AS modules

/// After SELECT, with `preference p` in the FROM list.
inline constexpr const char* kPreferenceColumns =
    "p.*, (SELECT name FROM annotator WHERE annotator.id = p.annotator_id) AS annotator_name, "
    "EXISTS (SELECT FROM preference later WHERE later.supersedes_id = p.id) AS superseded";

/// WHERE clause of tables with id and name, for $1 = a name, an id or the beginning of one.
inline constexpr const char* kNamed =
    "name = $1 OR id::text = $1 OR (length($1) >= 8 AND starts_with(id::text, $1)) "
    "ORDER BY name = $1 DESC, id::text = $1 DESC, id DESC";
/// The row that is meant. Throws NotFound for none, UsageError for several.
Row only_named(const Result& rows, const std::string& name, const char* what);

}  // namespace afina::storage
