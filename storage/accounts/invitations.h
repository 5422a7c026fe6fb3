// SPDX-License-Identifier: Apache-2.0
// Invitations: a random token of 256 bits, known here by its SHA-256 only, bound to a workspace, a role and perhaps a
// project and a name; used up by joining. OWASP ASVS 5.0 6.4.1, 6.5.1.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "storage/accounts/accounts.h"

namespace afina::storage {

class Transaction;

struct NewInvitation {
  std::string id = new_uuid();
  std::string token;  ///< new_session_token()
  std::string workspace_id;
  Role role = Role::annotator;
  std::string project_id;  ///< empty: every project
  std::string name;        ///< only this sign-in name may join; empty: any
  std::string note;
  int max_uses = 1;        ///< 1 to 1000
  int hours = 72;          ///< 1 to 72
  std::string created_by;  ///< account id; empty: the command line
};
void create_invitation(Transaction& t, const NewInvitation& invitation);

struct Invitation {
  std::string id, workspace_id, project_id, name, note, created_by_name;
  Role role = Role::annotator;
  int max_uses = 1, uses = 0;
  Time created_at{}, expires_at{};
  std::optional<Time> revoked_at;
};
/// Counts one use. Throws NotFound for an unknown, used, expired or revoked one.
Invitation use_invitation(Transaction& t, const std::string& token);
/// As use_invitation, but uses nothing up; nothing where it is not open.
std::optional<Invitation> peek_invitation(Transaction& t, const std::string& token);
/// Newest first; `before` is an id or "".
std::vector<Invitation> invitations(Transaction& t, const std::string& workspace_id, int64_t limit,
                                    const std::string& before);
/// Throws NotFound; revoking twice is revoking once.
void revoke_invitation(Transaction& t, const std::string& workspace_id, const std::string& invitation_id);

}  // namespace afina::storage
