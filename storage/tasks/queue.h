// SPDX-License-Identifier: Apache-2.0
// The queue: who gets which item next, for how long. Exact by three things together: the lease query locks the item
// (SKIP LOCKED) and counts in the same transaction, an assignment is unique for (item, person), and the item's CHECK
// refuses one person too many. docs: "Tasks".
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/tasks/items.h"
#include "storage/tasks/projects.h"

namespace afina::storage {

/// Leases one person may hold in a project: the task on screen and one loaded ahead.
inline constexpr int kMaxLeases = 2;

struct Draft {
  int rev = 0;  ///< 0: none yet
  Json body;
};

/// An item in somebody's hands.
struct Task {
  std::string assignment_id, item_id, project_id;
  ProjectKind kind = ProjectKind::pairwise;
  AssignmentState state = AssignmentState::accepted;
  Phase phase = Phase::work;
  Time lease_until{};
  std::string locale;  ///< of the conversation
  std::vector<PromptMessage> prompt;
  std::vector<std::string> answers;  ///< texts from left to right
  std::vector<int> shown_order;
  std::optional<Draft> draft;
  std::vector<Aspect> aspects;
  bool flags = false;
  int guidelines_version = 1;
};

enum class NoTask { none_left, training_failed, gold_failed, paused, capped };
std::string_view to_string(NoTask value);

struct NextRequest {
  std::string project_id, workspace_id, account_id, visitor_id;
  bool ahead = false;                      ///< one more beside the task on screen
  double luck = 1;                         ///< uniform in [0, 1): below gold_rate a gold item comes
  uint64_t shuffle = 0;                    ///< random bits: the order in which the answers are shown
  std::string assignment_id = new_uuid();  ///< made before the transaction, so that it may run again
};
struct NextTask {
  std::optional<Task> task;
  NoTask reason = NoTask::none_left;  ///< where there is none
};
/// The task on screen where one is held (again after a reload), else the one loaded ahead, else a lost one whose slot
/// is free with its draft, else a new one. Ends expired leases of the project on the way. Throws NotFound.
NextTask next_task(Transaction& t, const NextRequest& request);

/// Throws NotFound where it is not this account's in this workspace, LeaseLost where it ended or ran out.
struct LeaseLost : Conflict {
  using Conflict::Conflict;
};
/// The same where it ended because its holder handed it in, as from another window.
struct AlreadySubmitted : LeaseLost {
  using LeaseLost::LeaseLost;
};
struct WhoseAssignment {
  std::string assignment_id, workspace_id, account_id;
};
/// What must be known to read a submission's body. Throws NotFound as above; held or not.
struct TaskShape {
  ProjectKind kind = ProjectKind::pairwise;
  size_t answers = 0;
};
TaskShape task_shape(Transaction& t, const WhoseAssignment& whose);
Time heartbeat(Transaction& t, const WhoseAssignment& whose);
void skip_task(Transaction& t, const WhoseAssignment& whose, const std::string& reason);

/// stored: what the table holds after the call. stale: rev was not the stored one, so nothing was written. Also for a
/// lease that ran out: what was typed is kept. LeaseLost only where the task was done or skipped.
struct PutDraft {
  Draft stored;
  bool stale = false;
};
PutDraft put_draft(Transaction& t, const WhoseAssignment& whose, int rev, const Json& body);

}  // namespace afina::storage
