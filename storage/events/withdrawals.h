// SPDX-License-Identifier: Apache-2.0
// Who took everything back and when: a list that is kept beside backups, and applied again after one of them was
// restored. Ids only: nothing in it tells who somebody is.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "storage/types.h"

namespace afina::storage {

class Database;

struct KnownWithdrawal {
  std::string visitor_id;
  Time at{};
};
/// Of every workspace, oldest first, from `since` on. By the database's address: opening it would bring its schema up
/// to date, and a list beside backups must leave it as it is.
std::vector<KnownWithdrawal> withdrawals_since(const std::string& url, const std::optional<Time>& since);

/// done: withdrawn now. already: had been. unknown: nobody of that id is here, such as who came after the backup.
enum class Rewithdrawal { done, already, unknown };
/// Exactly what a receipt code does (withdraw_visitor), with an audit row of the operator; safe to repeat. Throws
/// DataError for what is no id.
Rewithdrawal withdraw_again(Database& database, const std::string& visitor_id);

}  // namespace afina::storage
