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

namespace {

void add_flags(Transaction& t, const Params& item, std::map<std::string, std::vector<PositionFlag>>& by_act) {
  const Result flags = t.exec(
      "SELECT f.act_id, x.position, f.kind FROM submission s JOIN answer_flag f ON f.act_id = s.id "
      "JOIN item_answer x ON x.item_id = s.item_id AND x.generation_id = f.generation_id WHERE s.item_id = $1::uuid",
      item);
  for (size_t i = 0; i < flags.size(); ++i) {
    by_act[flags[i].text("act_id")].push_back(
        {static_cast<int>(flags[i].integer("position")), word<FlagKind>(flags[i], "kind")});
  }
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
  std::map<std::string, std::vector<PositionFlag>> flags;
  add_flags(t, item, flags);
  std::vector<TaskVerdict> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back(read_verdict(rows[i]));
    out.back().ratings = by_act[rows[i].text("id")];
    out.back().flags = flags[rows[i].text("id")];
  }
  return out;
}

}  // namespace

Spread spread_of_item(Transaction& t, ProjectKind kind, const std::string& item_id) {
  if (kind != ProjectKind::rewrite) return spread_of(kind, verdicts_of_item(t, item_id));
  const Result rows = t.exec("SELECT rewrite FROM standing_submission WHERE item_id = $1::uuid AND rewrite IS NOT NULL",
                             Params().text(item_id));
  std::vector<std::string> rewrites;
  for (size_t i = 0; i < rows.size(); ++i)
    rewrites.push_back(rows[i].text("rewrite"));
  return rewrite_spread(rewrites);
}

}  // namespace afina::storage
