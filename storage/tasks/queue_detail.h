// SPDX-License-Identifier: Apache-2.0
// Parts of the queue that leasing, holding and handing in share. Private to storage/tasks/.
#pragma once
#include <string>
#include <vector>

#include "storage/tasks/queue.h"
#include "storage/transaction.h"

namespace afina::storage {

/// A project as the queue needs it: no sums.
struct QueueProject {
  std::string id, workspace_id;
  ProjectKind kind = ProjectKind::pairwise;
  ProjectState state = ProjectState::open;
  int lease_seconds = 0;
  double gold_rate = 0, gold_pass = 0, training_pass = 0;
  int training_items = 0, training_available = 0, max_per_annotator = 0, guidelines_version = 1;
  SkipPolicy skip = SkipPolicy::requeue_for_others;
  std::vector<int> priorities;  ///< of its work items, highest first
  bool has_expired = false;     ///< leases have run out whose slots nobody has given back yet
};
/// Throws NotFound: another workspace's, or one that this member was not invited to. The transaction's statements are
/// planned once a connection from then on: planning costs them more than running.
QueueProject queue_project(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                           const std::string& account_id);

struct Participation {
  Standing standing = Standing::work;
  int training_seen = 0, training_passed = 0, gold_seen = 0, gold_passed = 0, work_done = 0;
  int64_t leased = 0;
};
/// Made where there is none, and locked: calls of one person in one project come one after another.
Participation lock_participation(Transaction& t, const QueueProject& project, const std::string& account_id);

struct HeldAssignment {
  std::string id, project_id, item_id;
  AssignmentState state = AssignmentState::accepted;
  Phase phase = Phase::work;
  std::vector<int> shown_order;
  bool live = false;  ///< held, and its time is not up
  int64_t ms_on_screen = 0;
};
/// Locked, with the project and the person's row. Throws NotFound where it is not theirs in this workspace.
struct Holding {
  QueueProject project;
  Participation participation;
  HeldAssignment assignment;
};
Holding lock_assignment(Transaction& t, const WhoseAssignment& whose);
/// The consent that the account writes under holds until this transaction ends; NotFound where it was withdrawn or none
/// was given. Before any lock on tasks, as a withdrawal takes them.
void hold_consent(Transaction& t, const std::string& account_id);
/// Throws LeaseLost where the task is held no more; AlreadySubmitted where that is because it was handed in.
void require_live(const HeldAssignment& assignment);

/// Gives the slots of expired leases back, at most 200 at a time; one transaction does it, others pass on.
void end_expired_leases(Transaction& t, const std::string& project_id);
/// The task on an assignment.
Task load_task(Transaction& t, const std::string& assignment_id);
/// After a training item was counted: lets the person work, or not, once all were seen.
void judge_training(Transaction& t, const QueueProject& project, const std::string& account_id);
/// Marks the project finished and sends project.finished, once, where all its items are done.
void finish_if_done(Transaction& t, const QueueProject& project);

/// SQL: the owner of this item's conversation still lets others judge it. For FROM item i. Consent is looked up for the
/// one owner, and never by the view of everybody's.
inline constexpr const char* kItemAllowed =
    "(SELECT c.withdrawn_at IS NULL AND v.withdrawn_at IS NULL AND coalesce((SELECT k.granted AND 'review' = ANY "
    "(k.purposes) FROM consent_event k WHERE k.visitor_id = v.id ORDER BY k.created_at DESC, k.id DESC LIMIT 1), "
    "false) "
    "FROM conversation c JOIN visitor v ON v.id = c.visitor_id WHERE c.id = i.conversation_id)";
/// As the partial index item_open says it.
inline constexpr const char* kItemOpen = "i.done_count + i.active_leases < i.overlap AND NOT i.closed";

}  // namespace afina::storage
