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

// The consent that the verdict stands under; empty where the account never gave one. It holds until this transaction
// ends, as above.
std::string hold_reviewer(Transaction& t, const NewAdjudication& a) {
  const Result rows = t.exec(
      "SELECT v.id, v.withdrawn_at FROM account r JOIN visitor v ON v.id = r.visitor_id WHERE r.id = $1::uuid "
      "FOR SHARE OF v",
      Params().text(a.account_id));
  if (rows.empty()) return "";
  if (!rows.one().is_null("withdrawn_at")) throw_not_found(a.account_id, "a reviewer whose consent holds");
  return rows.one().text("id");
}

void insert(Transaction& t, const NewAdjudication& a, ProjectKind kind, const std::string& project_id,
            const std::string& visitor_id) {
  const bool rating = kind == ProjectKind::rating, flagging = kind == ProjectKind::flagging;
  const Json said = verdict_to_json(kind, a.verdict);
  Params p;
  p.text(a.id).text(project_id).text(a.item_id).text(a.account_id);
  p.text_or_null(a.verdict.outcome ? to_string(*a.verdict.outcome) : "");
  p.integer(a.verdict.outcome == Outcome::graded ? std::optional<int>(a.verdict.grade) : std::nullopt);
  a.verdict.tiers.empty() ? p.null() : p.json(Json(a.verdict.tiers));
  rating ? p.json(said.at("aspects")) : p.null();
  flagging ? p.json(said.at("flags")) : p.null();
  p.text_or_null(a.submission_id).text(a.note).text(a.idempotency_key).text(a.body_sha256).text_or_null(visitor_id);
  t.exec(
      "INSERT INTO adjudication (id, project_id, item_id, account_id, outcome, grade, tiers, ratings, flags, "
      "submission_id, note, supersedes_id, idempotency_key, body_sha256, visitor_id) VALUES ($1::uuid, $2::uuid, "
      "$3::uuid, "
      "$4::uuid, $5, $6::smallint, $7::jsonb, $8::jsonb, $9::jsonb, $10::uuid, $11, (SELECT id FROM adjudication e "
      "WHERE e.item_id = $3::uuid AND NOT EXISTS (SELECT FROM adjudication later WHERE later.supersedes_id = e.id)), "
      "$12, $13, $14::uuid)",
      p);
}

}  // namespace

PutAdjudication adjudicate(Transaction& t, const NewAdjudication& a) {
  require_uuid(a.item_id, "an item of this workspace");
  if (a.note.size() > 4000) throw DataError("[adjudication] a note must have at most 4000 bytes, but has more.");
  // People before the item, as a withdrawal takes them.
  const std::string visitor_id = hold_reviewer(t, a);
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
  insert(t, a, kind, items.one().text("project_id"), visitor_id);
  t.exec("UPDATE item SET disputed = false WHERE id = $1::uuid", Params().text(a.item_id));
  return {a.id, true};
}

void reopen_disputes(Transaction& t, const std::string& visitor_id) {
  const Result rows = t.exec(
      "SELECT i.id, p.kind FROM item i JOIN project p ON p.id = i.project_id JOIN adjudication a ON a.item_id = i.id "
      "WHERE a.id IN (SELECT id FROM adjudication WHERE visitor_id = $1::uuid UNION SELECT x.id FROM submission s "
      "JOIN adjudication x ON x.submission_id = s.id WHERE s.visitor_id = $1::uuid) AND i.overlap IS NOT NULL "
      "AND NOT EXISTS (SELECT FROM adjudication later WHERE later.supersedes_id = a.id) "
      "ORDER BY i.id FOR NO KEY UPDATE OF i",
      Params().text(visitor_id));
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string item_id = rows[i].text("id");
    const Spread spread = spread_of_item(t, word<ProjectKind>(rows[i], "kind"), item_id);
    t.exec("UPDATE item SET spread = $2::double precision, disputed = $3::boolean WHERE id = $1::uuid",
           Params().text(item_id).real(spread.value).boolean(spread.disputed));
  }
}

}  // namespace afina::storage
