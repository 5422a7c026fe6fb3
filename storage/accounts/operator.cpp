// SPDX-License-Identifier: Apache-2.0
#include "storage/accounts/operator.h"

#include "base/error.h"
#include "storage/accounts/invitations.h"
#include "storage/audit.h"
#include "storage/database.h"
#include "storage/people.h"

namespace afina::storage {
namespace {

const TransactionOptions kAll{.workspace = kEveryWorkspace};

}  // namespace

AdminInvitation invite_admin(Database& database, const std::string& name, const std::string& workspace) {
  NewInvitation invitation;
  invitation.token = new_session_token();
  invitation.role = Role::admin;
  invitation.name = name;
  invitation.note = "command line";
  return database.transaction(
      [&](Transaction& t) {
        if (find_account_by_name(t, name)) {
          throw Conflict(cat("[accounts] a new admin's name must be free, but ", name, " is taken."));
        }
        NewInvitation row = invitation;
        row.workspace_id = ensure_workspace(t, workspace).id;
        create_invitation(t, row);
        append_audit(t, "cli", "invitation.create", row.id, {{"role", "admin"}}, row.workspace_id);
        return AdminInvitation{row.workspace_id, row.token, peek_invitation(t, row.token)->expires_at};
      },
      kAll);
}

std::vector<Member> all_members(Database& database) {
  return database.transaction(
      [](Transaction& t) {
        std::vector<Member> all;
        for (const Workspace& workspace : workspaces(t)) {
          std::vector<Member> page;
          do {
            page = members(t, workspace.id, 1000, page.empty() ? "" : page.back().account.id);
            all.insert(all.end(), page.begin(), page.end());
          } while (!page.empty());
        }
        return all;
      },
      {.isolation = Isolation::repeatable_read, .read_only = true, .workspace = kEveryWorkspace});
}

void operator_sets_active(Database& database, const std::string& name, bool active) {
  database.transaction(
      [&](Transaction& t) {
        set_account_active(t, name, active);
        const auto account = find_account_by_name(t, name);
        const auto places = memberships(t, account->id);
        append_audit(t, "cli", active ? "account.enable" : "account.disable", account->id, Json::object(),
                     places.empty() ? "" : places.front().workspace_id);
      },
      kAll);
}

}  // namespace afina::storage
