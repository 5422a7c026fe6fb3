// SPDX-License-Identifier: Apache-2.0
#include "storage/accounts/sessions.h"

#include "base/cat.h"
#include "base/hash.h"
#include "storage/accounts/rows.h"

namespace afina::storage {
namespace {

constexpr const char* kAlive = "s.ended_at IS NULL AND s.expires_at > now() AND s.last_used_at + s.idle > now() ";

}  // namespace

SessionTimes session_times(Role role) {
  using std::chrono::hours;
  if (role == Role::admin) return {std::chrono::minutes(30), hours(12)};
  return {hours(12), hours(7 * 24)};
}

void create_session(Transaction& t, const NewSession& session) {
  const SessionTimes times = session_times(session.role);
  t.exec(
      "DELETE FROM account_session WHERE account_id = $1::uuid AND "
      "least(ended_at, expires_at, last_used_at + idle) < now() - interval '30 days'",
      Params().text(session.account_id));
  t.exec(
      "INSERT INTO account_session (id, token_sha256, csrf_token, account_id, workspace_id, idle, expires_at) "
      "VALUES ($1::uuid, $2, $3, $4::uuid, $5::uuid, $6::bigint * interval '1 second', "
      "now() + $7::bigint * interval '1 second') ON CONFLICT (id) DO NOTHING",
      Params()
          .text(session.id)
          .text(sha256_hex(session.token))
          .text(session.csrf_token)
          .text(session.account_id)
          .text(session.workspace_id)
          .integer(int64_t{times.idle.count()})
          .integer(int64_t{times.absolute.count()}));
}

std::optional<SignedIn> find_session(Transaction& t, const std::string& token) {
  const Result rows =
      t.exec(cat("SELECT s.id AS session_id, s.csrf_token, s.last_used_at < now() - interval '1 minute' AS stale, ",
                 kMemberColumns,
                 " FROM account_session s JOIN account a ON a.id = s.account_id "
                 "JOIN membership m ON m.workspace_id = s.workspace_id AND m.account_id = s.account_id "
                 "JOIN workspace w ON w.id = s.workspace_id WHERE s.token_sha256 = $1 AND a.status = 'active' "
                 "AND m.status = 'active' AND ",
                 kAlive),
             Params().text(sha256_hex(token)));
  if (rows.empty()) return std::nullopt;
  const Row row = rows.one();
  return SignedIn{row.text("session_id"), row.text("csrf_token"), read_member(row), row.boolean("stale")};
}

void touch_session(Transaction& t, const std::string& session_id) {
  t.exec("UPDATE account_session SET last_used_at = now() WHERE id = $1::uuid AND ended_at IS NULL",
         Params().text(session_id));
}

std::vector<SessionRow> live_sessions(Transaction& t, const std::string& account_id) {
  const Result rows = t.exec(
      cat("SELECT s.*, w.name AS workspace_name FROM account_session s JOIN workspace w ON w.id = s.workspace_id "
          "WHERE s.account_id = $1::uuid AND ",
          kAlive, "ORDER BY s.created_at DESC, s.id DESC LIMIT 200"),
      Params().text(account_id));
  std::vector<SessionRow> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    out.push_back({row.text("id"), row.text("workspace_name"), row.time("created_at"), row.time("last_used_at"),
                   row.time("expires_at")});
  }
  return out;
}

void end_account_session(Transaction& t, const std::string& account_id, const std::string& session_id) {
  require_uuid(session_id, "a session");
  const Result ended =
      t.exec(cat("UPDATE account_session s SET ended_at = now() WHERE s.id = $1::uuid AND s.account_id = $2::uuid AND ",
                 kAlive),
             Params().text(session_id).text(account_id));
  if (ended.affected() == 0) throw_not_found(session_id, "a session");
}

int64_t end_account_sessions(Transaction& t, const std::string& account_id, const std::string& workspace_id,
                             const std::string& except_session) {
  const Result ended = t.exec(
      "UPDATE account_session SET ended_at = now() WHERE account_id = $1::uuid AND ended_at IS NULL "
      "AND ($2::uuid IS NULL OR workspace_id = $2::uuid) AND ($3::uuid IS NULL OR id <> $3::uuid)",
      Params().text(account_id).text_or_null(workspace_id).text_or_null(except_session));
  return static_cast<int64_t>(ended.affected());
}

}  // namespace afina::storage
