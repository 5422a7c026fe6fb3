// SPDX-License-Identifier: Apache-2.0
#include "storage/events/withdrawals.h"

#include "base/error.h"
#include "storage/audit.h"
#include "storage/database.h"
#include "storage/people.h"
#include "storage/pg_connection.h"
#include "storage/transaction.h"

namespace afina::storage {

std::vector<KnownWithdrawal> withdrawals_since(const std::string& url, const std::optional<Time>& since) {
  PgConnection connection(url);
  connection.script("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'");
  const Result rows = connection.exec(
      "SELECT visitor_id, created_at FROM withdrawal WHERE $1::timestamptz IS NULL OR created_at >= $1::timestamptz "
      "ORDER BY created_at, visitor_id",
      Params().time(since));
  std::vector<KnownWithdrawal> all;
  for (size_t i = 0; i < rows.size(); ++i)
    all.push_back({rows[i].text("visitor_id"), rows[i].time("created_at")});
  return all;
}

Rewithdrawal withdraw_again(Database& database, const std::string& visitor_id) {
  if (!is_uuid(visitor_id)) {
    throw DataError(
        cat("[withdrawals] a visitor must be named by its id, but got \"", visitor_id.substr(0, 80), "\"."));
  }
  try {
    return database.transaction(
        [&](Transaction& t) {
          const WithdrawalReport report = withdraw_visitor(t, visitor_id);
          if (report.already) return Rewithdrawal::already;
          append_audit(t, "cli", "withdraw", report.visitor_id,
                       {{"conversations", report.conversations}, {"votes", report.votes}}, report.workspace_id);
          return Rewithdrawal::done;
        },
        {.workspace = kEveryWorkspace});
  } catch (const NotFound&) {
    return Rewithdrawal::unknown;
  }
}

}  // namespace afina::storage
