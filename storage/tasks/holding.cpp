// SPDX-License-Identifier: Apache-2.0
// Holding a task: still here, what was typed, not this one.
#include "base/error.h"
#include "storage/row_readers.h"
#include "storage/tasks/queue_detail.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxDraftBytes = 32 * 1024;
constexpr size_t kMaxSkipReasonBytes = 1000;

std::optional<Draft> stored_draft(Transaction& t, const std::string& assignment_id) {
  const Result rows =
      t.exec("SELECT rev, body FROM draft WHERE assignment_id = $1::uuid", Params().text(assignment_id));
  if (rows.empty()) return std::nullopt;
  return Draft{static_cast<int>(rows[0].integer("rev")), rows[0].json("body")};
}

}  // namespace

void hold_consent(Transaction& t, const std::string& account_id) {
  const Result rows = t.exec(
      "SELECT v.id FROM account a JOIN visitor v ON v.id = a.visitor_id WHERE a.id = $1::uuid "
      "AND v.withdrawn_at IS NULL FOR SHARE OF v",
      Params().text(account_id));
  if (rows.empty()) throw_not_found(account_id, "an account whose consent holds");
}

void require_live(const HeldAssignment& assignment) {
  if (assignment.live) return;
  if (assignment.state == AssignmentState::done) {
    throw AlreadySubmitted(cat("[storage.tasks] a task must be held, but ", assignment.id, " was handed in before."),
                           "ask for the next task");
  }
  throw LeaseLost(cat("[storage.tasks] a task must be held, but ", assignment.id, " is ", to_string(assignment.state),
                      " or its time is up."),
                  "ask for the next task: it is this one with its draft where a place is left");
}

TaskShape task_shape(Transaction& t, const WhoseAssignment& whose) {
  require_uuid(whose.assignment_id, "a task of this person");
  const Result rows = t.exec(
      "SELECT p.kind, cardinality(a.shown_order) AS answers FROM assignment a JOIN project p ON p.id = a.project_id "
      "WHERE a.id = $1::uuid AND a.account_id = $2::uuid AND p.workspace_id = $3::uuid AND NOT EXISTS (SELECT FROM "
      "membership m WHERE m.workspace_id = $3::uuid AND m.account_id = $2::uuid AND m.project_id <> p.id)",
      Params().text(whose.assignment_id).text(whose.account_id).text(whose.workspace_id));
  if (rows.empty()) throw_not_found(whose.assignment_id, "a task of this person");
  return {word<ProjectKind>(rows[0], "kind"), static_cast<size_t>(rows[0].integer("answers"))};
}

Time heartbeat(Transaction& t, const WhoseAssignment& whose) {
  const Holding holding = lock_assignment(t, whose);
  require_live(holding.assignment);
  const Result until =
      t.exec(cat("UPDATE assignment a SET lease_until = clock_timestamp() + make_interval(secs => $2::integer) "
                 "FROM item i WHERE a.id = $1::uuid AND i.id = a.item_id AND (a.phase <> 'work' OR ",
                 kItemAllowed, ") RETURNING a.lease_until"),
             Params().text(holding.assignment.id).integer(int64_t{holding.project.lease_seconds}));
  if (until.empty())
    throw LeaseLost("[storage.tasks] a task must be of somebody who lets others judge it, but that ended.",
                    "ask for the next task");
  return until.one().time("lease_until");
}

void skip_task(Transaction& t, const WhoseAssignment& whose, const std::string& reason) {
  if (reason.size() > kMaxSkipReasonBytes)
    throw DataError(cat("[storage.tasks] a reason must have at most ", kMaxSkipReasonBytes, " bytes, but has more."));
  hold_consent(t, whose.account_id);
  const Holding holding = lock_assignment(t, whose);
  const HeldAssignment& a = holding.assignment;
  if (a.state == AssignmentState::skipped) return;
  require_live(a);
  t.exec("UPDATE assignment SET state = 'skipped', ended_at = clock_timestamp(), skip_reason = $2 WHERE id = $1::uuid",
         Params().text(a.id).text(reason));
  // A training item that is passed over was not passed: otherwise training could be walked around.
  const bool training = a.phase == Phase::training;
  const bool closes = a.phase == Phase::work && holding.project.skip == SkipPolicy::drop;
  const Result closed = t.exec(
      "UPDATE item i SET active_leases = active_leases - 1, closed = i.closed OR $2::boolean, random_key = CASE WHEN "
      "done_count + active_leases >= overlap THEN queue_key(nextval('item_queue')) ELSE random_key END "
      "FROM (SELECT closed FROM item WHERE id = $1::uuid FOR NO KEY UPDATE) before WHERE i.id = $1::uuid "
      "AND i.overlap IS NOT NULL RETURNING i.closed AND NOT before.closed AND i.done_count < i.overlap AS now_closed",
      Params().text(a.item_id).boolean(closes));
  const bool finished = !closed.empty() && closed.one().boolean("now_closed");
  t.exec(
      "UPDATE participation SET skipped = skipped + 1, training_seen = training_seen + $3::integer, "
      "finished_items = finished_items + $4::integer WHERE project_id = $1::uuid AND account_id = $2::uuid",
      Params().text(a.project_id).text(whose.account_id).integer(int64_t{training}).integer(int64_t{finished}));
  if (training) judge_training(t, holding.project, whose.account_id);
  if (finished) finish_if_done(t, holding.project);
}

PutDraft put_draft(Transaction& t, const WhoseAssignment& whose, int rev, const Json& body) {
  const std::string text = dump_json(body);
  if (!body.is_object() || text.size() > kMaxDraftBytes)
    throw DataError(
        cat("[storage.tasks] a draft must be an object of at most ", kMaxDraftBytes, " bytes, but is not."));
  hold_consent(t, whose.account_id);
  const Holding holding = lock_assignment(t, whose);
  const HeldAssignment& a = holding.assignment;
  if (a.state == AssignmentState::done || a.state == AssignmentState::skipped) require_live(a);
  const auto before = stored_draft(t, a.id);
  const int stored_rev = before ? before->rev : 0;
  if (rev != stored_rev) return {before.value_or(Draft{0, Json::object()}), true};
  t.exec(
      "INSERT INTO draft (assignment_id, rev, body) VALUES ($1::uuid, $2::integer, $3::json) ON CONFLICT "
      "(assignment_id) DO UPDATE SET rev = excluded.rev, body = excluded.body, updated_at = clock_timestamp()",
      Params().text(a.id).integer(int64_t{stored_rev} + 1).text(text));
  return {{stored_rev + 1, body}, false};
}

}  // namespace afina::storage
