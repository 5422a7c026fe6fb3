// SPDX-License-Identifier: Apache-2.0
// What annotators of a project said, as values of units: the raw material of agreement. Only submissions that stand,
// only of work and gold items (training teaches, so it says nothing about agreement).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace afina::storage {

class Transaction;

/// The project as far as quality needs it. Throws NotFound for one of another workspace; with an account also where its
/// place there is for another project.
struct QualityProject {
  std::string id, kind;
  double gold_pass = 0.0;
};
QualityProject quality_project(Transaction& t, const std::string& project_id, const std::string& workspace_id,
                               const std::string& account_id = "");

/// One submission of kind pairwise or ranking.
struct SubmittedVerdict {
  std::string item_id, account_id, locale;
  bool gold = false;
  std::string outcome;        ///< of pairwise: graded, both_good, both_bad, cannot_judge
  int grade = 0;              ///< −3 … 3, 3: the answer at position 0 is much better
  bool first_on_left = true;  ///< position 0 was shown left
  Json tiers;                 ///< of ranking: best first, lists of positions
  int64_t ms_on_screen = 0;
  std::string reason;
};
std::vector<SubmittedVerdict> submitted_verdicts(Transaction& t, const std::string& project_id);

/// A value for one answer in one respect.
struct SubmittedValue {
  std::string item_id, answer_id, account_id, locale;
  std::string aspect;  ///< an aspect (value 1 … 5) or, of flags, their kind (0 not flagged, 1 flagged)
  double value = 0.0;
};
/// Aspect ratings of every kind of project.
std::vector<SubmittedValue> submitted_ratings(Transaction& t, const std::string& project_id);
/// Of flagging projects: for each answer shown and each kind of flag, whether it was raised.
std::vector<SubmittedValue> submitted_flags(Transaction& t, const std::string& project_id);

/// One annotator's work in a project.
struct AnnotatorWork {
  std::string account_id, annotator_id, name, state;
  int64_t submitted = 0;  ///< work and gold items
  int64_t hasty = 0;
  int64_t gold_seen = 0, gold_passed = 0;
  std::optional<double> median_ms;  ///< on screen
};
/// By name. account_id "" for everybody.
std::vector<AnnotatorWork> annotator_work(Transaction& t, const std::string& project_id,
                                          const std::string& account_id = "");
/// Projects of the workspace in which the account has submitted something, newest first; at most 100.
std::vector<std::string> projects_of(Transaction& t, const std::string& workspace_id, const std::string& account_id);

/// An annotator's own votes in conversations.
struct OwnVotes {
  int64_t votes = 0, today = 0;
  int64_t left = 0, decided = 0;  ///< preferred the left one, of those that preferred any
  std::optional<double> median_ms;
};
OwnVotes own_votes(Transaction& t, const std::string& annotator_id);

}  // namespace afina::storage
