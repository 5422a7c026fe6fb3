// SPDX-License-Identifier: Apache-2.0
#include "storage/tasks/adjudication.h"

#include <set>

#include "base/error.h"
#include "storage/row_readers.h"
#include "storage/tasks/verdict_rows.h"

namespace afina::storage {
namespace {

void check_kind(ProjectKind kind, const NewAdjudication& a, int answers) {
  const bool rewrite = kind == ProjectKind::rewrite, flagging = kind == ProjectKind::flagging;
  if (rewrite == a.submission_id.empty())
    throw DataError(rewrite ? "[adjudication] of rewrites one must be chosen, but none is."
                            : "[adjudication] only of rewrites one must be chosen, but these are none.");
  if (flagging != a.flags_given || (!flagging && !a.verdict.flags.empty()))
    throw DataError(flagging ? "[adjudication] a flagging item must have flags, but has none."
                             : "[adjudication] only a flagging item must have flags, but this is none.");
  check_verdict(kind, a.verdict, answers, "adjudication");
  if (kind != ProjectKind::rating && !a.verdict.ratings.empty())
    throw DataError("[adjudication] only a rating item must have ratings, but this is none.");
  std::set<std::pair<int, FlagKind>> seen;
  for (const auto& flag : a.verdict.flags) {
    if (!seen.emplace(flag.position, flag.kind).second)
      throw DataError("[adjudication] flags must name an answer and a kind once, but do so twice.");
  }
}

// Whether the item has such a rewrite that stands. Its writer cannot withdraw before this transaction ends, so that a
// withdrawal always finds the verdicts it takes along.
bool hold_rewrite(Transaction& t, const NewAdjudication& a) {
  if (a.submission_id.empty()) return true;
  require_uuid(a.submission_id, "a submission of this item");
  return !t.exec(
               "SELECT v.id FROM submission s JOIN visitor v ON v.id = s.visitor_id WHERE s.id = $1::uuid "
               "AND s.item_id = $2::uuid AND s.kind = 'rewrite' AND v.withdrawn_at IS NULL FOR SHARE OF v",
               Params().text(a.submission_id).text(a.item_id))
              .empty();
}

void insert(Transaction& t, const NewAdjudication& a, ProjectKind kind, const std::string& project_id) {
  const bool rating = kind == ProjectKind::rating, flagging = kind == ProjectKind::flagging;
  const Json said = verdict_to_json(kind, a.verdict);
  Params p;
  p.text(a.id).text(project_id).text(a.item_id).text(a.account_id);
  p.text_or_null(a.verdict.outcome ? to_string(*a.verdict.outcome) : "");
  p.integer(a.verdict.outcome == Outcome::graded ? std::optional<int>(a.verdict.grade) : std::nullopt);
  a.verdict.tiers.empty() ? p.null() : p.json(Json(a.verdict.tiers));
  rating ? p.json(said.at("aspects")) : p.null();
  flagging ? p.json(said.at("flags")) : p.null();
  p.text_or_null(a.submission_id).text(a.note).text(a.idempotency_key).text(a.body_sha256);
  t.exec(
      "INSERT INTO adjudication (id, project_id, item_id, account_id, outcome, grade, tiers, ratings, flags, "
      "submission_id, note, supersedes_id, idempotency_key, body_sha256) VALUES ($1::uuid, $2::uuid, $3::uuid, "
      "$4::uuid, $5, $6::smallint, $7::jsonb, $8::jsonb, $9::jsonb, $10::uuid, $11, (SELECT id FROM adjudication e "
      "WHERE e.item_id = $3::uuid AND NOT EXISTS (SELECT FROM adjudication later WHERE later.supersedes_id = e.id)), "
      "$12, $13)",
      p);
}

}  // namespace

PutAdjudication adjudicate(Transaction& t, const NewAdjudication& a) {
  require_uuid(a.item_id, "an item of this workspace");
  if (a.note.size() > 4000) throw DataError("[adjudication] a note must have at most 4000 bytes, but has more.");
  // The writer before the item, as a withdrawal takes them.
  const bool there = hold_rewrite(t, a);
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
  check_kind(kind, a, static_cast<int>(items.one().integer("answers")));
  if (!there) throw_not_found(a.submission_id, "a submission of this item");
  insert(t, a, kind, items.one().text("project_id"));
  t.exec("UPDATE item SET disputed = false WHERE id = $1::uuid", Params().text(a.item_id));
  return {a.id, true};
}

void reopen_disputes(Transaction& t, const std::string& visitor_id) {
  t.exec(
      "UPDATE item SET spread = rest.others, disputed = rest.others > 0 FROM (SELECT a.item_id, "
      "greatest(count(DISTINCT s.rewrite) - 1, 0) AS others FROM adjudication a JOIN submission chosen "
      "ON chosen.id = a.submission_id AND chosen.visitor_id = $1::uuid LEFT JOIN standing_submission s "
      "ON s.item_id = a.item_id AND s.rewrite IS NOT NULL WHERE NOT EXISTS (SELECT FROM adjudication later "
      "WHERE later.supersedes_id = a.id) GROUP BY a.item_id) AS rest WHERE item.id = rest.item_id",
      Params().text(visitor_id));
}

}  // namespace afina::storage
