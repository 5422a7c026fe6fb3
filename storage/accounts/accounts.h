// SPDX-License-Identifier: Apache-2.0
// Accounts, workspaces and memberships: who may do what where. What they sign in with is in sessions.h, tokens.h and
// invitations.h. Functions that change something are safe to repeat with the same ids.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "storage/types.h"

namespace afina::storage {

class Transaction;

/// The workspace of people without an account.
inline constexpr const char* kPublicWorkspace = "00000000-0000-7000-8000-000000000001";

/// annotator: does tasks; reviewer: also adjudicates and sees agreement; engineer: also makes projects, imports,
/// exports; admin: also accounts, tokens, webhooks; auditor: reads everything but people's secrets, changes nothing.
enum class Role { annotator, reviewer, engineer, admin, auditor };
std::string_view to_string(Role value);
bool from_string(std::string_view word, Role& out);

struct Workspace {
  std::string id = new_uuid();
  std::string name;  ///< unique
  Time created_at{};
};
/// The workspace of that name, made where there is none.
Workspace ensure_workspace(Transaction& t, const std::string& name);
/// By id. Throws NotFound.
Workspace get_workspace(Transaction& t, const std::string& workspace_id);
/// Oldest first.
std::vector<Workspace> workspaces(Transaction& t);

struct Account {
  std::string id = new_uuid();
  std::string name;          ///< sign-in name, a pseudonym, unique
  std::string annotator_id;  ///< the same person in judgements
  std::string visitor_id;    ///< under whose consent they write and judge; empty: none given yet
  bool active = true;
  Time created_at{};
};
/// What an act left that may be repeated: the row's id, and whether this call made it.
struct PutRow {
  std::string id;
  bool created = true;
};

/// Throws NotFound.
Account get_account(Transaction& t, const std::string& account_id);
std::optional<Account> find_account_by_name(Transaction& t, const std::string& name);
/// Whose judgements those are, or nothing for a person without an account.
std::optional<Account> find_account_by_annotator(Transaction& t, const std::string& annotator_id);

/// An account as a member of one workspace.
struct Member {
  Account account;
  std::string workspace_id, workspace_name;
  Role role = Role::annotator;
  bool active = true;      ///< of both the account and its place here
  std::string project_id;  ///< the only one they work in, of annotators and reviewers; empty: every project
  Time since{};
};
/// In the order in which they joined, `limit` of them after the account `after` ("" for the first).
std::vector<Member> members(Transaction& t, const std::string& workspace_id, int64_t limit = 1000,
                            const std::string& after = "");
/// Active or not; nothing where they are no member.
std::optional<Member> find_member(Transaction& t, const std::string& workspace_id, const std::string& account_id);
/// The workspaces of an account, the first joined first; active places only.
std::vector<Member> memberships(Transaction& t, const std::string& account_id);

struct NewAccount {
  std::string id = new_uuid();
  std::string annotator_id = new_uuid();
  std::string name;           ///< 1 to 200 bytes
  std::string password_hash;  ///< base/password.h
};
/// The account and its annotator (kind annotator, the same name). Throws Conflict where the name is taken by either,
/// DataError for a name that begins as those of programs do (is_program_name of people.h).
Account create_account(Transaction& t, const NewAccount& account);
/// A place in a workspace; nothing changes where there is one. Errors as change_member.
void add_member(Transaction& t, const std::string& workspace_id, const std::string& account_id, Role role,
                const std::string& project_id = "");
/// What a place lets its holder do. Engineers, admins and auditors have no project.
struct Place {
  Role role = Role::annotator;
  std::string project_id;  ///< empty: every project
  bool operator==(const Place&) const = default;
};
/// Whether whoever has `wide` may do all that `narrow` allows: the same role or a higher one of annotator, reviewer,
/// engineer, admin, in every project or the same one. Of the others only an admin covers an auditor.
bool covers(const Place& wide, const Place& narrow);
/// Ends the member's sessions there, where anything changed. Throws NotFound where they are no member, or the project
/// is none of the workspace; DataError for a project where the role has none.
void change_member(Transaction& t, const std::string& workspace_id, const std::string& account_id, const Place& place,
                   bool active);
/// For the operator: nobody can use the account any more, or can again. Ends its sessions. Throws NotFound.
void set_account_active(Transaction& t, const std::string& name, bool active);
/// The consent under which this account writes from now on.
void set_account_visitor(Transaction& t, const std::string& account_id, const std::string& visitor_id);
/// For the sign-in: "" where nobody can sign in with that name.
std::string password_hash_of(Transaction& t, const std::string& account_id);
/// Ends every session of the account but `except_session` ("" for none of them) and revokes its API tokens in every
/// workspace: whoever changes a passphrase may do so because somebody else knew it. Returns how many tokens it revoked.
int64_t set_password_hash(Transaction& t, const std::string& account_id, const std::string& hash,
                          const std::string& except_session = "");
/// The same passphrase under new costs: no session ends.
void renew_password_hash(Transaction& t, const std::string& account_id, const std::string& old_hash,
                         const std::string& hash);

}  // namespace afina::storage
