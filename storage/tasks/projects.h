// SPDX-License-Identifier: Apache-2.0
// Task projects: their settings, versions of their guidelines, their progress. Everything is asked for with the
// workspace: another workspace's project is NotFound.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "storage/judgements/details.h"
#include "storage/tasks/types.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct ProjectSettings {
  std::string name;  ///< 1..200 bytes, unique in the workspace
  ProjectKind kind = ProjectKind::pairwise;
  std::string locale;           ///< BCP 47; may be empty
  std::string guidelines;       ///< Markdown, at most 32 KiB
  std::vector<Aspect> aspects;  ///< asked for each answer
  bool flags = false;           ///< flags are asked for
  int overlap = 1;              ///< 1..50 people an item, exactly
  int lease_seconds = 1800;     ///< 60..86400
  double gold_rate = 0;         ///< 0..0.5 of the tasks are gold
  double gold_pass = 0;         ///< below this share after kGoldMinimum gold items nothing is offered any more
  int training_items = 0;       ///< 0..50 before work
  double training_pass = 0;     ///< 0..1
  SkipPolicy skip = SkipPolicy::requeue_for_others;
  int max_per_annotator = 0;  ///< 0: no limit
};
/// Gold items seen before the pass share is held against a person.
inline constexpr int kGoldMinimum = 20;

struct NewProject {
  std::string id = new_uuid();
  std::string workspace_id, account_id;
  ProjectSettings settings;
  std::string idempotency_key;
};

struct Project {
  std::string id, workspace_id;
  ProjectSettings settings;  ///< guidelines: the newest version's
  ProjectState state = ProjectState::open;
  int guidelines_version = 1;
  int64_t work_items = 0;  ///< neither gold nor training
  int training_available = 0, gold_available = 0;
  int64_t done_items = 0;  ///< with all their submissions, or dropped
  int64_t submissions = 0;
  int annotators = 0;  ///< who took at least one task
  int64_t disputed = 0;
  Time created_at{};
};

/// One line of the list, as one person sees it.
struct ProjectLine {
  std::string id, name, locale;
  ProjectKind kind = ProjectKind::pairwise;
  ProjectState state = ProjectState::open;
  int guidelines_version = 1;
  int64_t items = 0, done = 0, mine_done = 0, mine_pending = 0;
  int training_needed = 0, training_seen = 0;
  bool training_passed = false;
};

/// The name is taken in the workspace.
struct ProjectNameTaken : Conflict {
  using Conflict::Conflict;
};

struct PutProject {
  std::string id;
  bool created = true;
};
/// Same key and settings: the stored one. Conflict: the key came with other settings. ProjectNameTaken. DataError: a
/// setting out of range.
PutProject create_project(Transaction& t, const NewProject& project);
/// Throws NotFound; with an account also where its invitation was for another project.
Project get_project(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                    const std::string& account_id = "");
/// Newest first; ids before `before` where not empty. account_id: whose counts and invitation; empty: nobody's.
std::vector<ProjectLine> list_projects(Transaction& t, const std::string& workspace_id, const std::string& account_id,
                                       int64_t limit, const std::string& before);

struct ProjectChange {
  std::optional<ProjectState> state;      ///< any: finished ends it early
  std::optional<std::string> guidelines;  ///< a new version where the words differ
  std::optional<int> overlap;             ///< of all items; those that have more submissions keep them
};
void change_project(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                    const std::string& account_id, const ProjectChange& change);

/// Guidelines of that version; 0: the newest. Throws NotFound.
std::string get_guidelines(Transaction& t, const std::string& project_id, const std::string& workspace_id, int version);

}  // namespace afina::storage
