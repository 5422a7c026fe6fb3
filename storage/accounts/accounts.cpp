// SPDX-License-Identifier: Apache-2.0
#include "storage/accounts/accounts.h"

#include <array>

#include "base/error.h"
#include "storage/accounts/rows.h"
#include "storage/accounts/sessions.h"
#include "storage/accounts/tokens.h"
#include "storage/people.h"

namespace afina::storage {
namespace {

constexpr std::array<std::string_view, 5> kRoles = {"annotator", "reviewer", "engineer", "admin", "auditor"};

Account read_account(const Row& row) {
  Account account;
  account.id = row.text("id");
  account.name = row.text("name");
  account.annotator_id = row.text("annotator_id");
  account.visitor_id = row.text("visitor_id");
  account.active = row.text("status") == "active";
  account.created_at = row.time("created_at");
  return account;
}

std::optional<Account> maybe_account(const Result& rows) {
  return rows.empty() ? std::nullopt : std::optional<Account>(read_account(rows.one()));
}

Workspace read_workspace(const Row& row) {
  return {row.text("id"), row.text("name"), row.time("created_at")};
}

}  // namespace

std::string_view to_string(Role value) {
  return kRoles.at(static_cast<size_t>(value));
}

bool from_string(std::string_view word, Role& out) {
  for (size_t i = 0; i < kRoles.size(); ++i) {
    if (kRoles[i] != word) continue;
    out = static_cast<Role>(i);
    return true;
  }
  return false;
}

Member read_member(const Row& row) {
  Member member;
  member.account = {row.text("account_id"),
                    row.text("account_name"),
                    row.text("annotator_id"),
                    row.text("visitor_id"),
                    row.text("account_status") == "active",
                    row.time("account_created_at")};
  member.workspace_id = row.text("workspace_id");
  member.workspace_name = row.text("workspace_name");
  member.role = word<Role>(row, "role");
  member.active = member.account.active && row.text("place_status") == "active";
  member.project_id = row.text("project_id");
  member.since = row.time("since");
  return member;
}

void check_place(Transaction& t, const std::string& workspace_id, const Place& place) {
  if (place.project_id.empty()) return;
  if (place.role != Role::annotator && place.role != Role::reviewer) {
    throw DataError("[body] project must be of an annotator's or a reviewer's place, but is of another role's.",
                    "engineers, admins and auditors act on the whole workspace");
  }
  require_uuid(place.project_id, "a project of this workspace");
  const Result rows = t.exec("SELECT FROM project WHERE workspace_id = $1::uuid AND id = $2::uuid",
                             Params().text(workspace_id).text(place.project_id));
  if (rows.empty()) throw_not_found(place.project_id, "a project of this workspace");
}

Workspace ensure_workspace(Transaction& t, const std::string& name) {
  if (name.empty()) throw DataError("[storage.accounts] a workspace's name must not be empty, but is.");
  t.exec("INSERT INTO workspace (id, name) VALUES ($1::uuid, $2) ON CONFLICT (name) DO NOTHING",
         Params().text(new_uuid()).text(name));
  return read_workspace(t.exec("SELECT * FROM workspace WHERE name = $1", Params().text(name)).one());
}

Workspace get_workspace(Transaction& t, const std::string& workspace_id) {
  require_uuid(workspace_id, "a workspace");
  const Result rows = t.exec("SELECT * FROM workspace WHERE id = $1::uuid", Params().text(workspace_id));
  if (rows.empty()) throw_not_found(workspace_id, "a workspace");
  return read_workspace(rows.one());
}

std::vector<Workspace> workspaces(Transaction& t) {
  const Result rows = t.exec("SELECT * FROM workspace ORDER BY created_at, id");
  return read_all(rows, read_workspace);
}

Account get_account(Transaction& t, const std::string& account_id) {
  require_uuid(account_id, "an account");
  const auto account = maybe_account(t.exec("SELECT * FROM account WHERE id = $1::uuid", Params().text(account_id)));
  if (!account) throw_not_found(account_id, "an account");
  return *account;
}

std::optional<Account> find_account_by_name(Transaction& t, const std::string& name) {
  return maybe_account(t.exec("SELECT * FROM account WHERE name = $1", Params().text(name)));
}

std::optional<Account> find_account_by_annotator(Transaction& t, const std::string& annotator_id) {
  require_uuid(annotator_id, "an annotator");
  return maybe_account(t.exec("SELECT * FROM account WHERE annotator_id = $1::uuid", Params().text(annotator_id)));
}

std::vector<Member> members(Transaction& t, const std::string& workspace_id, int64_t limit, const std::string& after) {
  require_uuid(workspace_id, "a workspace");
  if (!after.empty()) require_uuid(after, "an account");
  const Result rows =
      t.exec(cat("SELECT ", kMemberColumns, kMemberFrom,
                 "WHERE m.workspace_id = $1::uuid AND ($2::uuid IS NULL OR (m.created_at, m.account_id) > (SELECT "
                 "p.created_at, "
                 "p.account_id FROM membership p WHERE p.workspace_id = $1::uuid AND p.account_id = $2::uuid)) "
                 "ORDER BY m.created_at, m.account_id LIMIT $3::bigint"),
             Params().text(workspace_id).text_or_null(after).integer(limit));
  return read_all(rows, read_member);
}

std::optional<Member> find_member(Transaction& t, const std::string& workspace_id, const std::string& account_id) {
  require_uuid(workspace_id, "a workspace");
  require_uuid(account_id, "an account");
  const Result rows =
      t.exec(cat("SELECT ", kMemberColumns, kMemberFrom, "WHERE m.workspace_id = $1::uuid AND m.account_id = $2::uuid"),
             Params().text(workspace_id).text(account_id));
  return rows.empty() ? std::nullopt : std::optional<Member>(read_member(rows.one()));
}

std::vector<Member> memberships(Transaction& t, const std::string& account_id) {
  require_uuid(account_id, "an account");
  const Result rows = t.exec(cat("SELECT ", kMemberColumns, kMemberFrom,
                                 "WHERE m.account_id = $1::uuid AND m.status = 'active' AND a.status = 'active' "
                                 "ORDER BY m.created_at, m.workspace_id"),
                             Params().text(account_id));
  return read_all(rows, read_member);
}

Account create_account(Transaction& t, const NewAccount& account) {
  // Whoever repeats the act finds their own row.
  const Result made = t.exec("SELECT * FROM account WHERE id = $1::uuid", Params().text(account.id));
  if (!made.empty()) return read_account(made.one());
  if (is_program_name(account.name)) {
    throw DataError("[storage.accounts] a name must be a person's, but this one begins as those of programs do.");
  }
  const Result annotator =
      t.exec("INSERT INTO annotator (id, kind, name) VALUES ($1::uuid, 'annotator', $2) ON CONFLICT DO NOTHING",
             Params().text(account.annotator_id).text(account.name));
  if (annotator.affected() == 0) throw Conflict("[storage.accounts] a name must be free, but this one is taken.");
  const Result inserted = t.exec(
      "INSERT INTO account (id, name, annotator_id, password_hash) VALUES ($1::uuid, $2, $3::uuid, $4) "
      "ON CONFLICT DO NOTHING",
      Params().text(account.id).text(account.name).text(account.annotator_id).text(account.password_hash));
  if (inserted.affected() == 0) throw Conflict("[storage.accounts] a name must be free, but this one is taken.");
  return get_account(t, account.id);
}

void add_member(Transaction& t, const std::string& workspace_id, const std::string& account_id, Role role,
                const std::string& project_id) {
  check_place(t, workspace_id, {role, project_id});
  t.exec(
      "INSERT INTO membership (workspace_id, account_id, role, project_id) VALUES ($1::uuid, $2::uuid, $3, $4::uuid) "
      "ON CONFLICT DO NOTHING",
      Params().text(workspace_id).text(account_id).text(to_string(role)).text_or_null(project_id));
}

bool covers(const Place& wide, const Place& narrow) {
  if (!wide.project_id.empty() && wide.project_id != narrow.project_id) return false;
  if (wide.role == narrow.role || wide.role == Role::admin) return true;
  return wide.role != Role::auditor && narrow.role != Role::auditor && wide.role > narrow.role;
}

void change_member(Transaction& t, const std::string& workspace_id, const std::string& account_id, const Place& place,
                   bool active) {
  // Locked, so that two changes queue and each ends the sessions of the one before.
  require_uuid(account_id, "an account");
  const Result before = t.exec(
      "SELECT role, status, project_id FROM membership WHERE workspace_id = $1::uuid AND account_id = $2::uuid "
      "FOR UPDATE",
      Params().text(workspace_id).text(account_id));
  if (before.empty()) throw_not_found(account_id, "an account");
  const Row row = before.one();
  const std::string_view status = active ? "active" : "disabled";
  if (Place{word<Role>(row, "role"), row.text("project_id")} == place && row.text("status") == status) return;
  check_place(t, workspace_id, place);
  t.exec(
      "UPDATE membership SET role = $3, status = $4, project_id = $5::uuid WHERE workspace_id = $1::uuid "
      "AND account_id = $2::uuid",
      Params()
          .text(workspace_id)
          .text(account_id)
          .text(to_string(place.role))
          .text(status)
          .text_or_null(place.project_id));
  end_account_sessions(t, account_id, workspace_id);
}

void set_account_active(Transaction& t, const std::string& name, bool active) {
  const Result changed = t.exec("UPDATE account SET status = $2 WHERE name = $1 RETURNING id",
                                Params().text(name).text(active ? "active" : "disabled"));
  if (changed.empty()) throw_not_found(name, "an account");
  if (!active) end_account_sessions(t, changed.one().text("id"));
}

void set_account_visitor(Transaction& t, const std::string& account_id, const std::string& visitor_id) {
  t.exec("UPDATE account SET visitor_id = $2::uuid WHERE id = $1::uuid", Params().text(account_id).text(visitor_id));
}

std::string password_hash_of(Transaction& t, const std::string& account_id) {
  const Result rows =
      t.exec("SELECT password_hash FROM account WHERE id = $1::uuid AND status = 'active'", Params().text(account_id));
  return rows.empty() ? "" : rows.one().text("password_hash");
}

int64_t set_password_hash(Transaction& t, const std::string& account_id, const std::string& hash,
                          const std::string& except_session) {
  t.exec("UPDATE account SET password_hash = $2 WHERE id = $1::uuid", Params().text(account_id).text(hash));
  end_account_sessions(t, account_id, "", except_session);
  return revoke_account_tokens(t, account_id);
}

void renew_password_hash(Transaction& t, const std::string& account_id, const std::string& old_hash,
                         const std::string& hash) {
  t.exec("UPDATE account SET password_hash = $3 WHERE id = $1::uuid AND password_hash = $2",
         Params().text(account_id).text(old_hash).text(hash));
}

}  // namespace afina::storage
