// SPDX-License-Identifier: Apache-2.0
// What the stores of accounts read alike. Private to storage/accounts/.
#pragma once
#include "storage/accounts/accounts.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {

/// The columns of a Member, with `membership m`, `account a` and `workspace w`.
inline constexpr const char* kMemberColumns =
    "a.id AS account_id, a.name AS account_name, a.annotator_id, a.visitor_id, a.status AS account_status, "
    "a.created_at AS account_created_at, m.workspace_id, w.name AS workspace_name, m.role, m.status AS place_status, "
    "m.project_id, m.created_at AS since";
inline constexpr const char* kMemberFrom =
    " FROM membership m JOIN account a ON a.id = m.account_id JOIN workspace w ON w.id = m.workspace_id ";
Member read_member(const Row& row);

/// Throws DataError for a project where the role has none, NotFound for a project that is none of the workspace.
void check_place(Transaction& t, const std::string& workspace_id, const Place& place);

template <typename Read>
auto read_all(const Result& rows, Read read) {
  std::vector<decltype(read(rows[0]))> out;
  out.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i)
    out.push_back(read(rows[i]));
  return out;
}

}  // namespace afina::storage
