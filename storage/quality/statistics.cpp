// SPDX-License-Identifier: Apache-2.0
#include "storage/quality/statistics.h"

#include <algorithm>

#include "storage/transaction.h"

namespace afina::storage {

GroupCounts group_counts(Transaction& t, const std::string& workspace_id, GroupBy by, int64_t days, int64_t at_least) {
  const char* name = by == GroupBy::day      ? "to_char(act.at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
                     : by == GroupBy::locale ? "act.locale"
                                             : "profile.country";
  // A conversation's person and a vote's may be two: both count.
  const Result rows =
      t.exec(std::string("WITH act AS ("
                         "SELECT v.annotator_id, c.created_at AS at, c.locale, 1 AS conversations, 0 AS votes "
                         "FROM conversation c JOIN visitor v ON v.id = c.visitor_id "
                         "WHERE c.workspace_id = $1::uuid AND c.source <> 'import' AND c.withdrawn_at IS NULL AND "
                         "v.withdrawn_at IS NULL "
                         "UNION ALL SELECT p.annotator_id, p.created_at, c.locale, 0, 1 FROM standing_preference p "
                         "JOIN pair ON pair.id = p.pair_id JOIN conversation c ON c.id = pair.conversation_id "
                         "WHERE c.workspace_id = $1::uuid AND p.source <> 'import') SELECT ") +
                 name +
                 " AS name, count(DISTINCT act.annotator_id) AS people, sum(act.conversations) AS conversations, "
                 "sum(act.votes) AS votes FROM act LEFT JOIN annotator_profile profile "
                 "ON profile.annotator_id = act.annotator_id "
                 "WHERE act.at >= (date_trunc('day', now() AT TIME ZONE 'UTC') - ($2::bigint - 1) * interval '1 day') "
                 "AT TIME ZONE 'UTC' GROUP BY 1 ORDER BY 1",
             Params().text(workspace_id).integer(days));
  GroupCounts out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    if (row.is_null("name")) continue;
    out.groups.push_back({row.text("name"), row.integer("people"), row.integer("conversations"), row.integer("votes")});
  }
  out.suppressed =
      static_cast<int64_t>(std::erase_if(out.groups, [&](const GroupCount& g) { return g.people < at_least; }));
  if (out.suppressed > 0 && !out.groups.empty()) {
    out.groups.erase(std::ranges::min_element(out.groups, {}, &GroupCount::people));
    ++out.suppressed;
  }
  return out;
}

}  // namespace afina::storage
