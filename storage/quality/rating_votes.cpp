// SPDX-License-Identifier: Apache-2.0
#include "storage/quality/rating_votes.h"

#include "storage/transaction.h"

namespace afina::storage {
namespace {

// Both ways to a verdict give the same columns: side > 0 where A is better.
constexpr const char* kGrades =
    "SELECT p.annotator_id, p.pair_id, p.exposure_id, coalesce(sign(p.grade), 0) AS side, "
    "p.outcome = 'both_bad' AS both_bad FROM standing_preference p "
    "WHERE p.blind AND p.source <> 'import' AND p.outcome IN ('graded', 'both_good', 'both_bad')";
constexpr const char* kAspects =
    "SELECT p.annotator_id, p.pair_id, p.exposure_id, sign(ra.value - rb.value) AS side, false AS both_bad "
    "FROM standing_preference p JOIN pair ON pair.id = p.pair_id "
    "JOIN standing_aspect_rating ra ON ra.act_id = p.id AND ra.generation_id = pair.generation_a_id AND ra.aspect = $4 "
    "JOIN standing_aspect_rating rb ON rb.act_id = p.id AND rb.generation_id = pair.generation_b_id AND rb.aspect = $4 "
    "WHERE p.blind AND p.source <> 'import'";

}  // namespace

std::vector<RatingVote> rating_votes(Transaction& t, const RatingFilter& filter) {
  Params params = Params().text(filter.workspace_id).text(filter.locale).text(filter.country);
  if (!filter.aspect.empty()) params.text(filter.aspect);
  const Result rows = t.exec(
      std::string("WITH verdict AS (") + (filter.aspect.empty() ? kGrades : kAspects) +
          ") SELECT v.annotator_id, CASE WHEN e.a_on_left THEN ga.model ELSE gb.model END AS left_model, "
          "CASE WHEN e.a_on_left THEN gb.model ELSE ga.model END AS right_model, "
          "(CASE WHEN e.a_on_left THEN v.side ELSE -v.side END)::integer AS winner, v.both_bad, e.shown = 'both' AS "
          "sided, count(*) AS votes "
          "FROM verdict v JOIN exposure e ON e.id = v.exposure_id JOIN pair ON pair.id = v.pair_id "
          "JOIN generation ga ON ga.id = pair.generation_a_id JOIN generation gb ON gb.id = pair.generation_b_id "
          "JOIN conversation c ON c.id = pair.conversation_id "
          "LEFT JOIN annotator_profile profile ON profile.annotator_id = v.annotator_id "
          "WHERE c.workspace_id = $1::uuid AND ($2 = '' OR c.locale = $2) AND ($3 = '' OR profile.country = $3) "
          "AND ga.model <> gb.model AND NOT e.leak_a AND NOT e.leak_b GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, "
          "5, 6",
      params);
  std::vector<RatingVote> out;
  out.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    out.push_back({row.text("annotator_id"), row.text("left_model"), row.text("right_model"),
                   static_cast<int>(row.integer("winner")), row.boolean("both_bad"), row.integer("votes"),
                   row.boolean("sided")});
  }
  return out;
}

std::string votes_stamp(Transaction& t) {
  const Result rows = t.exec(
      "SELECT (SELECT id FROM preference ORDER BY id DESC LIMIT 1) AS vote, "
      "(SELECT id FROM submission ORDER BY id DESC LIMIT 1) AS submission, "
      "(SELECT count(*) FROM withdrawal) AS withdrawals");
  const Row row = rows.one();
  return row.text("vote") + "/" + row.text("submission") + "/" + row.text("withdrawals");
}

}  // namespace afina::storage
