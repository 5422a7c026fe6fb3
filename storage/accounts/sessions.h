// SPDX-License-Identifier: Apache-2.0
// Sessions of accounts in browsers: a random reference of 256 bits, known here by its SHA-256 only, with an idle and an
// absolute end. OWASP ASVS 5.0 7.2 to 7.4.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "storage/accounts/accounts.h"

namespace afina::storage {

class Transaction;

/// How long a session may rest, and live at all.
struct SessionTimes {
  std::chrono::seconds idle, absolute;
};
/// 12 hours and 7 days; of an admin 30 minutes and 12 hours.
SessionTimes session_times(Role role);

struct NewSession {
  std::string id = new_uuid();
  std::string token;       ///< new_session_token()
  std::string csrf_token;  ///< new_session_token()
  std::string account_id, workspace_id;
  Role role = Role::annotator;
};
/// Also forgets the account's sessions that ended a month ago.
void create_session(Transaction& t, const NewSession& session);

/// Who a session belongs to, read anew with role and status.
struct SignedIn {
  std::string session_id, csrf_token;
  Member member;
  bool stale = false;  ///< last_used_at is older than a minute: call touch_session
};
/// Nothing for an unknown, ended or expired session, a disabled account or one that is no active member any more.
std::optional<SignedIn> find_session(Transaction& t, const std::string& token);
void touch_session(Transaction& t, const std::string& session_id);

struct SessionRow {
  std::string id, workspace_name;
  Time created_at{}, last_used_at{}, expires_at{};
};
/// The living sessions of an account, newest first.
std::vector<SessionRow> live_sessions(Transaction& t, const std::string& account_id);
/// Throws NotFound where the account has no such living session.
void end_account_session(Transaction& t, const std::string& account_id, const std::string& session_id);
/// workspace_id "" for all of them. Returns how many ended.
int64_t end_account_sessions(Transaction& t, const std::string& account_id, const std::string& workspace_id = "",
                             const std::string& except_session = "");

}  // namespace afina::storage
