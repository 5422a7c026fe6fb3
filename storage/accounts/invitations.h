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
  std::string project_id;  ///< of annotators and reviewers; empty: every project
  std::string name;        ///< only this sign-in name may join; empty: any
  std::string note;
  int max_uses = 1;        ///< 1 to 1000
  int hours = 72;          ///< 1 to 72
  std::string created_by;  ///< account id; empty: the command line
};
/// The same token again finds the invitation that it is of. Throws NotFound where the project is none of the workspace,
/// DataError where the role has no project, Conflict where that token's invitation says something else.
PutRow create_invitation(Transaction& t, const NewInvitation& invitation);

struct Invitation {
  std::string id, workspace_id, project_id, name, note, created_by_name;
  Role role = Role::annotator;
  int max_uses = 1, uses = 0;
  Time created_at{}, expires_at{};
  std::optional<Time> revoked_at;
};
/// Counts one use. Throws NotFound for an unknown, used, expired or revoked one.
Invitation use_invitation(Transaction& t, const std::string& token);
struct Accepted {
  std::string invitation_id, workspace_id;
  Place place;
  bool changed = false;  ///< false: this person could do all that before, and the invitation is not used up
};
/// A second place, or a better one, for somebody who has an account. A place they have is never made smaller: it
/// becomes the invitation's where that covers it (accounts.h) and stays where it covers the invitation's; where each
/// has something that the other has not: Conflict. Throws NotFound for an invitation that is not open to them: unknown,
/// used, for another name, or to a workspace whose admin closed the door to them. Ends their sessions of a place that
/// changed.
Accepted accept_invitation(Transaction& t, const std::string& token, const Account& account);
/// Whether it is still open or not; nothing for an unknown token.
std::optional<Invitation> find_invitation(Transaction& t, const std::string& token);
/// As use_invitation, but uses nothing up; nothing where it is not open.
std::optional<Invitation> peek_invitation(Transaction& t, const std::string& token);
/// Newest first; `before` is an id or "".
std::vector<Invitation> invitations(Transaction& t, const std::string& workspace_id, int64_t limit,
                                    const std::string& before);
/// Throws NotFound; revoking twice is revoking once.
void revoke_invitation(Transaction& t, const std::string& workspace_id, const std::string& invitation_id);

}  // namespace afina::storage
