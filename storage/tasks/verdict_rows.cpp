// SPDX-License-Identifier: Apache-2.0
#include "storage/tasks/verdict_rows.h"

#include <map>

#include "storage/row_readers.h"

namespace afina::storage {

TaskVerdict read_verdict(const Row& row) {
  TaskVerdict verdict;
  if (!row.is_null("outcome")) verdict.outcome = word<Outcome>(row, "outcome");
  verdict.grade = row.maybe_int("grade").value_or(0);
  if (!row.is_null("tiers")) verdict.tiers = row.json("tiers").get<std::vector<std::vector<int>>>();
  return verdict;
}

std::vector<TaskVerdict> verdicts_of_item(Transaction& t, const std::string& item_id) {
  const Params item = Params().text(item_id);
  const Result rows =
      t.exec("SELECT id, outcome, grade, tiers FROM standing_submission WHERE item_id = $1::uuid ORDER BY id", item);
  const Result ratings = t.exec(
      "SELECT r.act_id, x.position, r.aspect, r.value FROM submission s JOIN aspect_rating r ON r.act_id = s.id "
      "JOIN item_answer x ON x.item_id = s.item_id AND x.generation_id = r.generation_id WHERE s.item_id = $1::uuid",
      item);
  std::map<std::string, std::vector<PositionRating>> by_act;
  for (size_t i = 0; i < ratings.size(); ++i) {
    by_act[ratings[i].text("act_id")].push_back({static_cast<int>(ratings[i].integer("position")),
                                                 word<Aspect>(ratings[i], "aspect"),
                                                 static_cast<int>(ratings[i].integer("value"))});
  }
  std::vector<TaskVerdict> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back(read_verdict(rows[i]));
    out.back().ratings = by_act[rows[i].text("id")];
  }
  return out;
}

}  // namespace afina::storage
