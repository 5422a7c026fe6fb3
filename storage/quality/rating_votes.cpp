// SPDX-License-Identifier: Apache-2.0
#include "storage/quality/rating_votes.h"

#include "base/cat.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

// A program may say that it is anybody; what it says counts among people's votes once somebody gave it an account.
constexpr const char* kAsked =
    "p.blind AND CASE WHEN $4 <> '' THEN p.source = $4 ELSE p.source = 'web' OR (p.source = 'api' AND EXISTS (SELECT "
    "FROM account WHERE account.annotator_id = p.annotator_id)) END";

// Both ways to a verdict give the same columns: side > 0 where A is better. Ratings of a vote that was cast in a task
// stand under its submission.
std::string verdicts(bool of_aspect) {
  if (!of_aspect) {
    return cat(
        "SELECT p.annotator_id, p.pair_id, p.exposure_id, coalesce(sign(p.grade), 0) AS side, "
        "p.outcome = 'both_bad' AS both_bad, p.shown_layout FROM standing_preference p "
        "WHERE p.outcome IN ('graded', 'both_good', 'both_bad') AND ",
        kAsked);
  }
  return cat(
      "SELECT p.annotator_id, p.pair_id, p.exposure_id, sign(ra.value - rb.value) AS side, false AS both_bad, "
      "p.shown_layout "
      "FROM standing_preference p JOIN pair ON pair.id = p.pair_id LEFT JOIN submission s ON s.preference_id = p.id "
      "JOIN standing_aspect_rating ra ON ra.act_id = coalesce(s.id, p.id) AND ra.generation_id = pair.generation_a_id "
      "AND ra.aspect = $5 JOIN standing_aspect_rating rb ON rb.act_id = coalesce(s.id, p.id) "
      "AND rb.generation_id = pair.generation_b_id AND rb.aspect = $5 WHERE ",
      kAsked);
}

}  // namespace

std::vector<RatingVote> rating_votes(Transaction& t, const RatingFilter& filter) {
  Params params = Params().text(filter.workspace_id).text(filter.locale).text(filter.country);
  params.text(filter.source);
  if (!filter.aspect.empty()) params.text(filter.aspect);
  const Result rows = t.exec(
      cat("WITH verdict AS (", verdicts(!filter.aspect.empty()),
          ") SELECT v.annotator_id, CASE WHEN e.a_on_left THEN ga.model ELSE gb.model END AS left_model, "
          "CASE WHEN e.a_on_left THEN gb.model ELSE ga.model END AS right_model, "
          "(CASE WHEN e.a_on_left THEN v.side ELSE -v.side END)::integer AS winner, v.both_bad, e.shown = 'both' AS "
          "sided, coalesce(v.shown_layout, '') AS layout, count(*) AS votes "
          "FROM verdict v JOIN exposure e ON e.id = v.exposure_id JOIN pair ON pair.id = v.pair_id "
          "JOIN generation ga ON ga.id = pair.generation_a_id JOIN generation gb ON gb.id = pair.generation_b_id "
          "JOIN conversation c ON c.id = pair.conversation_id "
          "LEFT JOIN annotator_profile profile ON profile.annotator_id = v.annotator_id "
          "WHERE c.workspace_id = $1::uuid AND ($2 = '' OR c.locale = $2) AND ($3 = '' OR profile.country = $3) "
          "AND ga.model <> gb.model AND NOT e.leak_a AND NOT e.leak_b GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, "
          "4, 5, 6, 7"),
      params);
  std::vector<RatingVote> out;
  out.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    out.push_back({row.text("annotator_id"), row.text("left_model"), row.text("right_model"),
                   static_cast<int>(row.integer("winner")), row.boolean("both_bad"), row.integer("votes"),
                   row.boolean("sided"), row.text("layout")});
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
