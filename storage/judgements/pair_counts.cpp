// SPDX-License-Identifier: Apache-2.0
#include "storage/judgements/pair_counts.h"

#include "storage/transaction.h"

namespace afina::storage {

std::vector<PairCount> recent_pair_counts(Transaction& t, int64_t votes) {
  const Result rows = t.exec(
      "SELECT least(a.upstream, b.upstream) AS first, greatest(a.upstream, b.upstream) AS second, "
      "count(*) FILTER (WHERE CASE WHEN a.upstream < b.upstream THEN p.grade > 0 ELSE p.grade < 0 END) AS first_wins, "
      "count(*) FILTER (WHERE CASE WHEN a.upstream < b.upstream THEN p.grade < 0 ELSE p.grade > 0 END) AS second_wins, "
      "count(*) FILTER (WHERE coalesce(p.grade, 0) = 0) AS ties "
      "FROM (SELECT * FROM preference ORDER BY id DESC LIMIT $1::bigint) p "
      "JOIN exposure e ON e.id = p.exposure_id JOIN visitor v ON v.id = p.visitor_id JOIN pair ON pair.id = p.pair_id "
      "JOIN generation a ON a.id = pair.generation_a_id JOIN generation b ON b.id = pair.generation_b_id "
      "WHERE p.blind AND NOT e.leak_a AND NOT e.leak_b AND v.withdrawn_at IS NULL AND a.upstream <> b.upstream "
      "AND p.outcome IN ('graded', 'both_good', 'both_bad') "
      "AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = p.id) GROUP BY 1, 2 ORDER BY 1, 2",
      Params().integer(votes));
  std::vector<PairCount> counts;
  for (size_t i = 0; i < rows.size(); ++i) {
    counts.push_back({rows[i].text("first"), rows[i].text("second"), rows[i].integer("first_wins"),
                      rows[i].integer("second_wins"), rows[i].integer("ties")});
  }
  return counts;
}

}  // namespace afina::storage
