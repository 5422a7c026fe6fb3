// SPDX-License-Identifier: Apache-2.0
// Accounts, workspaces and memberships: who may do what where. Secrets are stored as hashes only.
#pragma once
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

struct Account {
  std::string id = new_uuid();
  std::string name;          ///< sign-in name, a pseudonym, unique
  std::string annotator_id;  ///< the same person in judgements
  std::string visitor_id;    ///< under whose consent they write and judge; empty: none given yet
  bool active = true;
  Time created_at{};
};

/// Throws NotFound.
Account get_account(Transaction& t, const std::string& account_id);

}  // namespace afina::storage
