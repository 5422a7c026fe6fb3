// SPDX-License-Identifier: Apache-2.0
#include "storage/quality/project_values.h"

#include "storage/transaction.h"

namespace afina::storage {
namespace {

SubmittedValue read_value(const Row& row) {
  return {row.text("item_id"), row.text("generation_id"), row.text("account_id"),
          row.text("locale"),  row.text("aspect"),        row.real("value")};
}

std::vector<SubmittedValue> read_values(const Result& rows) {
  std::vector<SubmittedValue> out;
  out.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i)
    out.push_back(read_value(rows[i]));
  return out;
}

}  // namespace

QualityProject quality_project(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                               const std::string& account_id) {
  require_uuid(project_id, "a project");
  const Result rows = t.exec(
      "SELECT id, kind, gold_pass FROM project p WHERE id = $1::uuid AND workspace_id = $2::uuid AND NOT EXISTS "
      "(SELECT "
      "FROM membership m WHERE m.workspace_id = $2::uuid AND m.account_id = $3::uuid AND m.project_id <> p.id)",
      Params().text(project_id).text(workspace_id).text_or_null(account_id));
  if (rows.empty()) throw_not_found(project_id, "a project");
  const Row row = rows.one();
  return {row.text("id"), row.text("kind"), row.real("gold_pass")};
}

std::vector<SubmittedVerdict> submitted_verdicts(Transaction& t, const std::string& project_id) {
  const Result rows = t.exec(
      "SELECT s.item_id, s.account_id, c.locale, s.phase = 'gold' AS gold, coalesce(s.outcome, '') AS outcome, "
      "coalesce(s.grade, 0) AS grade, s.shown_order[1] = 0 AS first_on_left, coalesce(s.tiers, '[]') AS tiers, "
      "s.ms_on_screen, s.reason FROM standing_submission s JOIN item i ON i.id = s.item_id "
      "JOIN conversation c ON c.id = i.conversation_id "
      "WHERE s.project_id = $1::uuid AND s.phase <> 'training' AND s.kind IN ('pairwise', 'ranking') ORDER BY s.id",
      Params().text(project_id));
  std::vector<SubmittedVerdict> out;
  out.reserve(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    out.push_back({row.text("item_id"), row.text("account_id"), row.text("locale"), row.boolean("gold"),
                   row.text("outcome"), static_cast<int>(row.integer("grade")), row.boolean("first_on_left"),
                   row.json("tiers"), row.integer("ms_on_screen"), row.text("reason")});
  }
  return out;
}

std::vector<SubmittedValue> submitted_ratings(Transaction& t, const std::string& project_id) {
  return read_values(t.exec(
      "SELECT s.item_id, r.generation_id, s.account_id, c.locale, r.aspect, r.value::double precision AS value "
      "FROM standing_submission s JOIN standing_aspect_rating r ON r.act_id = s.id JOIN item i ON i.id = s.item_id "
      "JOIN conversation c ON c.id = i.conversation_id WHERE s.project_id = $1::uuid AND s.phase <> 'training' "
      "ORDER BY s.id, r.generation_id, r.aspect",
      Params().text(project_id)));
}

std::vector<SubmittedValue> submitted_flags(Transaction& t, const std::string& project_id) {
  return read_values(t.exec(
      "SELECT s.item_id, a.generation_id, s.account_id, c.locale, k.kind AS aspect, "
      "(CASE WHEN f.act_id IS NULL THEN 0 ELSE 1 END)::double precision AS value "
      "FROM standing_submission s JOIN item i ON i.id = s.item_id JOIN conversation c ON c.id = i.conversation_id "
      "JOIN item_answer a ON a.item_id = s.item_id "
      "CROSS JOIN (VALUES ('toxic'), ('personal_data'), ('hallucination')) AS k (kind) "
      "LEFT JOIN standing_answer_flag f ON f.act_id = s.id AND f.generation_id = a.generation_id AND f.kind = k.kind "
      "WHERE s.project_id = $1::uuid AND s.phase <> 'training' AND s.kind = 'flagging' "
      "ORDER BY s.id, a.generation_id, k.kind",
      Params().text(project_id)));
}

std::vector<AnnotatorWork> annotator_work(Transaction& t, const std::string& project_id,
                                          const std::string& account_id) {
  const Result rows = t.exec(
      "SELECT p.account_id, account.annotator_id, account.name, p.state, p.gold_seen, p.gold_passed, "
      "count(s.id) AS submitted, count(s.id) FILTER (WHERE s.hasty) AS hasty, "
      "percentile_cont(0.5) WITHIN GROUP (ORDER BY s.ms_on_screen) AS median_ms "
      "FROM participation p JOIN account ON account.id = p.account_id "
      "LEFT JOIN standing_submission s ON s.project_id = p.project_id AND s.account_id = p.account_id "
      "AND s.phase <> 'training' WHERE p.project_id = $1::uuid AND ($2 = '' OR p.account_id::text = $2) "
      "GROUP BY p.project_id, p.account_id, account.id ORDER BY account.name",
      Params().text(project_id).text(account_id));
  std::vector<AnnotatorWork> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    out.push_back({row.text("account_id"), row.text("annotator_id"), row.text("name"), row.text("state"),
                   row.integer("submitted"), row.integer("hasty"), row.integer("gold_seen"), row.integer("gold_passed"),
                   row.maybe_real("median_ms")});
  }
  return out;
}

std::vector<std::string> projects_of(Transaction& t, const std::string& workspace_id, const std::string& account_id) {
  const Result rows = t.exec(
      "SELECT project.id FROM project JOIN participation p ON p.project_id = project.id "
      "WHERE project.workspace_id = $1::uuid AND p.account_id = $2::uuid AND NOT EXISTS (SELECT FROM membership m "
      "WHERE "
      "m.workspace_id = $1::uuid AND m.account_id = $2::uuid AND m.project_id <> project.id) "
      "ORDER BY project.id DESC LIMIT 100",
      Params().text(workspace_id).text(account_id));
  std::vector<std::string> out;
  for (size_t i = 0; i < rows.size(); ++i)
    out.push_back(rows[i].text("id"));
  return out;
}

OwnVotes own_votes(Transaction& t, const std::string& annotator_id) {
  const Result rows = t.exec(
      "SELECT count(*) AS votes, count(*) FILTER (WHERE p.created_at >= date_trunc('day', now() AT TIME ZONE "
      "'UTC') "
      "AT TIME ZONE 'UTC') AS today, count(*) FILTER (WHERE p.grade <> 0 AND e.shown = 'both') AS decided, "
      "count(*) FILTER (WHERE e.shown = 'both' AND ((p.grade > 0 AND e.a_on_left) OR (p.grade < 0 AND NOT "
      "e.a_on_left))) AS left_chosen, "
      "percentile_cont(0.5) WITHIN GROUP (ORDER BY p.ms_to_decide) AS median_ms "
      "FROM standing_preference p JOIN exposure e ON e.id = p.exposure_id WHERE p.annotator_id = $1::uuid",
      Params().text(annotator_id));
  const Row row = rows.one();
  return {row.integer("votes"), row.integer("today"), row.integer("left_chosen"), row.integer("decided"),
          row.maybe_real("median_ms")};
}

}  // namespace afina::storage
