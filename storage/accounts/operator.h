// SPDX-License-Identifier: Apache-2.0
// What the operator of a server does from the command line, each act with its row in the audit trail.
#pragma once
#include <string>
#include <vector>

#include "storage/accounts/accounts.h"

namespace afina::storage {

class Database;

struct AdminInvitation {
  std::string workspace_id, token;
  Time expires_at{};
};
/// A workspace of that name where there is none, and an invitation as its admin for that name alone, once, within 72
/// hours. Throws Conflict where an account has the name.
AdminInvitation invite_admin(Database& database, const std::string& name, const std::string& workspace);
/// Of every workspace, by workspace.
std::vector<Member> all_members(Database& database);
/// See set_account_active.
void operator_sets_active(Database& database, const std::string& name, bool active);

}  // namespace afina::storage
