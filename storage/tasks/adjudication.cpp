// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "storage/row_readers.h"
#include "storage/tasks/submissions.h"
#include "storage/tasks/verdict_rows.h"

namespace afina::storage {
namespace {

void check_kind(ProjectKind kind, const TaskVerdict& verdict, int answers) {
  if (kind == ProjectKind::rewrite || kind == ProjectKind::flagging)
    throw DataError("[adjudication] must be of a pair, a ranking or a rating, but the item is none.");
  check_verdict(kind, verdict, answers, "adjudication");
  if (kind != ProjectKind::rating && !verdict.ratings.empty())
    throw DataError("[adjudication] only a rating item must have ratings, but this is none.");
}

}  // namespace

PutAdjudication adjudicate(Transaction& t, const NewAdjudication& a) {
  require_uuid(a.item_id, "an item of this workspace");
  if (a.note.size() > 4000) throw DataError("[adjudication] a note must have at most 4000 bytes, but has more.");
  const Result items = t.exec(
      "SELECT i.project_id, p.kind, (SELECT count(*) FROM item_answer WHERE item_id = i.id) AS answers FROM item i "
      "JOIN project p ON p.id = i.project_id WHERE i.id = $1::uuid AND p.workspace_id = $2::uuid "
      "AND NOT EXISTS (SELECT FROM membership m WHERE m.workspace_id = $2::uuid AND m.account_id = $3::uuid "
      "AND m.project_id <> p.id) FOR NO KEY UPDATE OF i",
      Params().text(a.item_id).text(a.workspace_id).text(a.account_id));
  if (items.empty()) throw_not_found(a.item_id, "an item of this workspace");
  const Result repeat =
      t.exec("SELECT id, item_id, body_sha256 FROM adjudication WHERE account_id = $1::uuid AND idempotency_key = $2",
             Params().text(a.account_id).text(a.idempotency_key));
  if (!repeat.empty()) {
    if (repeat.one().text("body_sha256") != a.body_sha256 || repeat.one().text("item_id") != a.item_id)
      throw Conflict(
          "[storage.tasks] an idempotency key must come with the same verdict again, but came with another.");
    return {repeat.one().text("id"), false};
  }
  const auto kind = word<ProjectKind>(items.one(), "kind");
  check_kind(kind, a.verdict, static_cast<int>(items.one().integer("answers")));
  const bool rating = kind == ProjectKind::rating;
  Params p;
  p.text(a.id).text(items.one().text("project_id")).text(a.item_id).text(a.account_id);
  p.text_or_null(a.verdict.outcome ? to_string(*a.verdict.outcome) : "");
  p.integer(a.verdict.outcome == Outcome::graded ? std::optional<int>(a.verdict.grade) : std::nullopt);
  a.verdict.tiers.empty() ? p.null() : p.json(Json(a.verdict.tiers));
  rating ? p.json(verdict_to_json(kind, a.verdict).at("aspects")) : p.null();
  p.text(a.note).text(a.idempotency_key).text(a.body_sha256);
  t.exec(
      "INSERT INTO adjudication (id, project_id, item_id, account_id, outcome, grade, tiers, ratings, note, "
      "supersedes_id, idempotency_key, body_sha256) VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5, $6::smallint, "
      "$7::jsonb, $8::jsonb, $9, (SELECT id FROM adjudication e WHERE e.item_id = $3::uuid AND NOT EXISTS (SELECT FROM "
      "adjudication later WHERE later.supersedes_id = e.id)), $10, $11)",
      p);
  t.exec("UPDATE item SET disputed = false WHERE id = $1::uuid", Params().text(a.item_id));
  return {a.id, true};
}

}  // namespace afina::storage
