// SPDX-License-Identifier: Apache-2.0
#include "storage/tasks/queue_detail.h"

#include "base/error.h"
#include "storage/events/outbox.h"
#include "storage/row_readers.h"

namespace afina::storage {
namespace {

constexpr int64_t kNearTheEnd = 64;  // more than the number of people who hand in at the same instant

Task read_task(const Row& row) {
  Task task;
  task.assignment_id = row.text("id");
  task.item_id = row.text("item_id");
  task.project_id = row.text("project_id");
  task.kind = word<ProjectKind>(row, "kind");
  task.state = word<AssignmentState>(row, "state");
  task.phase = word<Phase>(row, "phase");
  task.lease_until = row.time("lease_until");
  task.locale = row.text("locale");
  task.shown_order = row.ints("shown_order");
  for (const std::string& name : row.texts("aspect_words")) {
    Aspect aspect{};
    if (from_string(name, aspect)) task.aspects.push_back(aspect);
  }
  task.flags = row.boolean("flags");
  task.guidelines_version = static_cast<int>(row.integer("guidelines_version"));
  if (!row.is_null("rev")) task.draft = Draft{static_cast<int>(row.integer("rev")), row.json("body")};
  return task;
}

}  // namespace

QueueProject queue_project(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                           const std::string& account_id) {
  require_uuid(project_id, "a project");
  const Result rows = t.exec(
      "SELECT p.*, set_config('plan_cache_mode', 'force_generic_plan', true), EXISTS (SELECT FROM assignment a WHERE "
      "a.project_id = p.id AND a.state IN ('offered', 'accepted') AND a.lease_until <= now()) AS has_expired "
      "FROM project p WHERE p.id = $1::uuid AND p.workspace_id = $2::uuid AND NOT EXISTS (SELECT FROM membership m "
      "WHERE m.workspace_id = $2::uuid AND m.account_id = $3::uuid AND m.project_id <> p.id)",
      Params().text(project_id).text(workspace_id).text(account_id));
  if (rows.empty()) throw_not_found(project_id, "a project of this workspace");
  const Row row = rows.one();
  QueueProject p;
  p.id = row.text("id");
  p.workspace_id = row.text("workspace_id");
  p.kind = word<ProjectKind>(row, "kind");
  p.state = word<ProjectState>(row, "state");
  p.lease_seconds = static_cast<int>(row.integer("lease_seconds"));
  p.gold_rate = row.real("gold_rate");
  p.gold_pass = row.real("gold_pass");
  p.training_pass = row.real("training_pass");
  p.training_items = static_cast<int>(row.integer("training_items"));
  p.training_available = static_cast<int>(row.integer("training_available"));
  p.max_per_annotator = static_cast<int>(row.integer("max_per_annotator"));
  p.guidelines_version = static_cast<int>(row.integer("guidelines_version"));
  p.skip = word<SkipPolicy>(row, "skip_policy");
  p.priorities = row.ints("priorities");
  p.has_expired = row.boolean("has_expired");
  return p;
}

Participation lock_participation(Transaction& t, const QueueProject& project, const std::string& account_id) {
  const Params who = Params().text(project.id).text(account_id);
  const char* const select =
      "SELECT * FROM participation WHERE project_id = $1::uuid AND account_id = $2::uuid FOR NO KEY UPDATE";
  Result rows = t.exec(select, who);
  if (rows.empty()) {
    Params made = who;
    made.text(to_string(project.training_items > 0 ? Standing::training : Standing::work));
    t.exec(
        "INSERT INTO participation (project_id, account_id, state) VALUES ($1::uuid, $2::uuid, $3) "
        "ON CONFLICT DO NOTHING",
        made);
    rows = t.exec(select, who);
  }
  const Row row = rows.one();
  Participation p;
  p.standing = word<Standing>(row, "state");
  p.training_seen = static_cast<int>(row.integer("training_seen"));
  p.training_passed = static_cast<int>(row.integer("training_passed"));
  p.gold_seen = static_cast<int>(row.integer("gold_seen"));
  p.gold_passed = static_cast<int>(row.integer("gold_passed"));
  p.work_done = static_cast<int>(row.integer("work_done"));
  p.leased = row.integer("leased");
  return p;
}

Holding lock_assignment(Transaction& t, const WhoseAssignment& whose) {
  require_uuid(whose.assignment_id, "a task of this person");
  const Params mine = Params().text(whose.assignment_id).text(whose.account_id).text(whose.workspace_id);
  const Result found = t.exec(
      "SELECT a.project_id FROM assignment a JOIN project p ON p.id = a.project_id WHERE a.id = $1::uuid "
      "AND a.account_id = $2::uuid AND p.workspace_id = $3::uuid",
      mine);
  if (found.empty()) throw_not_found(whose.assignment_id, "a task of this person");
  Holding holding;
  holding.project = queue_project(t, found.one().text("project_id"), whose.workspace_id, whose.account_id);
  holding.participation = lock_participation(t, holding.project, whose.account_id);
  const Result rows = t.exec(
      "SELECT a.*, a.state IN ('offered', 'accepted') AND a.lease_until > clock_timestamp() AS live, "
      "greatest(0, extract(epoch FROM clock_timestamp() - coalesce(a.rendered_at, a.created_at)) * 1000)::bigint "
      "AS ms_on_screen FROM assignment a WHERE a.id = $1::uuid FOR NO KEY UPDATE",
      Params().text(whose.assignment_id));
  const Row row = rows.one();
  HeldAssignment& a = holding.assignment;
  a.id = row.text("id");
  a.project_id = row.text("project_id");
  a.item_id = row.text("item_id");
  a.state = word<AssignmentState>(row, "state");
  a.phase = word<Phase>(row, "phase");
  a.shown_order = row.ints("shown_order");
  a.live = row.boolean("live");
  a.ms_on_screen = row.integer("ms_on_screen");
  return holding;
}

void end_expired_leases(Transaction& t, const std::string& project_id) {
  const Params project = Params().text(project_id);
  // Two that sweep the same items in another order would wait for each other.
  const Result first =
      t.exec("SELECT pg_try_advisory_xact_lock(hashtextextended('afina tasks ' || $1, 0)) AS mine", project);
  if (!first.one().boolean("mine")) return;
  t.exec(
      "WITH gone AS (SELECT id FROM assignment WHERE project_id = $1::uuid AND state IN ('offered', 'accepted') "
      "AND lease_until <= now() ORDER BY lease_until LIMIT 200 FOR NO KEY UPDATE SKIP LOCKED), "
      "ended AS (UPDATE assignment SET state = 'expired', ended_at = clock_timestamp() FROM gone "
      "WHERE assignment.id = gone.id RETURNING assignment.item_id), "
      "back AS (SELECT item_id, count(*)::smallint AS n FROM ended GROUP BY item_id), "
      "round AS MATERIALIZED (SELECT nextval('item_queue') AS n) "
      "UPDATE item i SET active_leases = active_leases - back.n, random_key = CASE WHEN done_count + active_leases >= "
      "overlap THEN queue_key(round.n) ELSE random_key END FROM back, round WHERE i.id = back.item_id "
      "AND i.overlap IS NOT NULL",
      project);
}

Task load_task(Transaction& t, const std::string& assignment_id) {
  const Result rows = t.exec(
      "SELECT a.*, p.kind, p.flags, p.guidelines_version, to_json(p.aspects) AS aspect_words, c.locale, d.rev, d.body, "
      "(SELECT coalesce(json_agg(json_build_array(m.role, m.content) ORDER BY m.turn), '[]') FROM message m "
      "WHERE m.conversation_id = i.conversation_id AND m.turn < i.turn) AS messages, "
      "(SELECT coalesce(json_agg(g.text ORDER BY x.position), '[]') FROM item_answer x JOIN generation g "
      "ON g.id = x.generation_id WHERE x.item_id = i.id) AS texts "
      "FROM assignment a JOIN project p ON p.id = a.project_id JOIN item i ON i.id = a.item_id JOIN conversation c "
      "ON c.id = i.conversation_id LEFT JOIN draft d ON d.assignment_id = a.id WHERE a.id = $1::uuid",
      Params().text(assignment_id));
  const Row row = rows.one();
  Task task = read_task(row);
  for (const Json& message : row.json("messages"))
    task.prompt.push_back({message.at(0), message.at(1)});
  const Json texts = row.json("texts");
  for (const int position : task.shown_order)
    task.answers.push_back(texts.at(static_cast<size_t>(position)));
  return task;
}

void finish_if_done(Transaction& t, const QueueProject& project) {
  const Result left = t.exec(
      "SELECT work_items - (SELECT coalesce(sum(finished_items), 0) FROM participation WHERE project_id = $1::uuid) AS "
      "n "
      "FROM project WHERE id = $1::uuid AND state = 'open'",
      Params().text(project.id));
  if (left.empty() || left.one().integer("n") > kNearTheEnd) return;
  // Two people's last items at the same time: neither would see that the other is done.
  t.exec("SELECT pg_advisory_xact_lock(hashtextextended('afina finish ' || $1, 0))", Params().text(project.id));
  const Result done = t.exec(
      "UPDATE project SET state = 'finished', finished_at = clock_timestamp() WHERE id = $1::uuid AND state = 'open' "
      "AND work_items > 0 AND work_items <= (SELECT coalesce(sum(finished_items), 0) FROM participation "
      "WHERE project_id = $1::uuid) RETURNING work_items",
      Params().text(project.id));
  if (done.empty()) return;
  emit_event(t, project.workspace_id, "project.finished",
             Json{{"project", project.id}, {"items", done.one().integer("work_items")}});
}

}  // namespace afina::storage
