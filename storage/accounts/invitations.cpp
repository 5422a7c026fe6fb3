// SPDX-License-Identifier: Apache-2.0
#include "storage/accounts/invitations.h"

#include "base/error.h"
#include "base/hash.h"
#include "storage/accounts/rows.h"

namespace afina::storage {
namespace {

Invitation read_invitation(const Row& row) {
  Invitation i;
  i.id = row.text("id");
  i.workspace_id = row.text("workspace_id");
  i.project_id = row.text("project_id");
  i.name = row.text("name");
  i.note = row.text("note");
  i.created_by_name = row.text("created_by_name");
  i.role = word<Role>(row, "role");
  i.max_uses = static_cast<int>(row.integer("max_uses"));
  i.uses = static_cast<int>(row.integer("uses"));
  i.created_at = row.time("created_at");
  i.expires_at = row.time("expires_at");
  i.revoked_at = row.maybe_time("revoked_at");
  return i;
}

[[noreturn]] void not_open() {
  throw NotFound("[storage.accounts] an invitation must be open, but this one is not.");
}

}  // namespace

PutRow create_invitation(Transaction& t, const NewInvitation& invitation) {
  check_place(t, invitation.workspace_id, {invitation.role, invitation.project_id});
  Params said;
  said.text(sha256_hex(invitation.token)).text(invitation.workspace_id).text(to_string(invitation.role));
  said.text_or_null(invitation.project_id).text(invitation.name).text(invitation.note);
  said.integer(int64_t{invitation.max_uses}).text_or_null(invitation.created_by).integer(int64_t{invitation.hours});
  Params made = said;
  t.exec(
      "INSERT INTO invite (token_sha256, workspace_id, role, project_id, name, note, max_uses, created_by, "
      "expires_at, id) VALUES ($1, $2::uuid, $3, $4::uuid, $5, $6, $7::integer, $8::uuid, "
      "now() + $9::bigint * interval '1 hour', $10::uuid) ON CONFLICT DO NOTHING",
      made.text(invitation.id));
  const Result rows = t.exec(
      "SELECT id, workspace_id = $2::uuid AND role = $3 AND project_id IS NOT DISTINCT FROM $4::uuid AND name = $5 AND "
      "note = $6 AND max_uses = $7::integer AND created_by IS NOT DISTINCT FROM $8::uuid AND "
      "round(extract(epoch FROM expires_at - created_at) / 3600) = $9::bigint AS same FROM invite "
      "WHERE token_sha256 = $1",
      said);
  const Row row = rows.one();
  if (!row.boolean("same")) {
    throw Conflict("[storage.accounts] an invitation that is asked for again must be the same, but is not.",
                   "use a new key");
  }
  return {row.text("id"), row.text("id") == invitation.id};
}

Invitation use_invitation(Transaction& t, const std::string& token) {
  // One statement: of two that use the last place at one time, the second waits for the first and finds none.
  const Result rows = t.exec(
      "UPDATE invite SET uses = uses + 1 WHERE token_sha256 = $1 AND revoked_at IS NULL AND expires_at > now() "
      "AND uses < max_uses RETURNING *, '' AS created_by_name",
      Params().text(sha256_hex(token)));
  if (rows.empty()) not_open();
  return read_invitation(rows.one());
}

std::optional<Invitation> find_invitation(Transaction& t, const std::string& token) {
  const Result rows =
      t.exec("SELECT *, '' AS created_by_name FROM invite WHERE token_sha256 = $1", Params().text(sha256_hex(token)));
  return rows.empty() ? std::nullopt : std::optional<Invitation>(read_invitation(rows.one()));
}

Accepted accept_invitation(Transaction& t, const std::string& token, const Account& account) {
  // One account's acceptances queue, and so do an admin's changes of the place: each decides on what stands.
  t.exec("SELECT FROM account WHERE id = $1::uuid FOR UPDATE", Params().text(account.id));
  const auto found = find_invitation(t, token);
  if (!found) not_open();
  const Invitation& i = *found;
  if (!i.name.empty() && i.name != account.name) not_open();
  t.exec("SELECT FROM membership WHERE workspace_id = $1::uuid AND account_id = $2::uuid FOR UPDATE",
         Params().text(i.workspace_id).text(account.id));
  const auto member = find_member(t, i.workspace_id, account.id);
  const Place offered{i.role, i.project_id};
  if (!member) {
    use_invitation(t, token);
    add_member(t, i.workspace_id, account.id, i.role, i.project_id);
    return {i.id, i.workspace_id, offered, true};
  }
  if (!member->active) not_open();
  const Place had{member->role, member->project_id};
  // Before the invitation is asked whether it is open: this may be the repetition of the act that used it up.
  if (covers(had, offered)) return {i.id, i.workspace_id, had, false};
  if (!covers(offered, had)) {
    throw Conflict(
        "[storage.accounts] an invitation must hold all of the place one has, or be held by it, but each has "
        "something that the other has not.",
        "an admin can change the place");
  }
  use_invitation(t, token);
  change_member(t, i.workspace_id, account.id, offered, true);
  return {i.id, i.workspace_id, offered, true};
}

std::optional<Invitation> peek_invitation(Transaction& t, const std::string& token) {
  const Result rows = t.exec(
      "SELECT *, '' AS created_by_name FROM invite WHERE token_sha256 = $1 AND revoked_at IS NULL "
      "AND expires_at > now() AND uses < max_uses",
      Params().text(sha256_hex(token)));
  return rows.empty() ? std::nullopt : std::optional<Invitation>(read_invitation(rows.one()));
}

std::vector<Invitation> invitations(Transaction& t, const std::string& workspace_id, int64_t limit,
                                    const std::string& before) {
  if (!before.empty()) require_uuid(before, "an invitation");
  const Result rows = t.exec(
      "SELECT i.*, a.name AS created_by_name FROM invite i LEFT JOIN account a ON a.id = i.created_by "
      "WHERE i.workspace_id = $1::uuid AND ($2::uuid IS NULL OR i.id < $2::uuid) ORDER BY i.id DESC LIMIT $3::bigint",
      Params().text(workspace_id).text_or_null(before).integer(limit));
  return read_all(rows, read_invitation);
}

void revoke_invitation(Transaction& t, const std::string& workspace_id, const std::string& invitation_id) {
  require_uuid(invitation_id, "an invitation");
  const Result done = t.exec(
      "UPDATE invite SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1::uuid AND workspace_id = $2::uuid",
      Params().text(invitation_id).text(workspace_id));
  if (done.affected() == 0) throw_not_found(invitation_id, "an invitation");
}

}  // namespace afina::storage
