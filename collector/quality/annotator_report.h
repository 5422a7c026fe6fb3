// SPDX-License-Identifier: Apache-2.0
// What is known of each annotator of a project: agreement with others, reliability by Dawid–Skene, side, speed, gold,
// and warnings. Pure functions of what the store read.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "collector/quality/agreement_report.h"
#include "quality/dawid_skene.h"
#include "storage/quality/known_answers.h"
#include "storage/quality/project_values.h"

namespace afina::collector {

/// Everything read of one project.
struct ProjectMaterial {
  storage::QualityProject project;
  std::vector<storage::SubmittedVerdict> verdicts;
  std::vector<storage::SubmittedValue> ratings, flags;
  std::vector<storage::AnnotatorWork> annotators;
  std::vector<storage::KnownAnswer> known;
};
ProjectMaterial read_material(storage::Transaction& t, const std::string& project_id, const std::string& workspace_id);

/// All values of all kinds as units.
std::vector<UnitRating> all_units(const ProjectMaterial& material);

/// What the known answers say of their units, of nobody.
std::vector<UnitRating> known_units(const ProjectMaterial& material);

/// [{account, name, submitted, alpha_with_others, reliability:{mean, low, high, labels}|null, competence|null,
/// left_share|null, median_ms|null, gold:{passed, seen}, hasty, state, warnings[]}] in the order of names. reliability:
/// of Dawid–Skene over the classes "better first, better second, equal" of verdicts or the values of ratings and flags,
/// known answers held fixed; competence: of MACE over the same labels, the share of items at which the person knows
/// rather than guesses. Both null where nothing was rated.
Json annotator_rows(const ProjectMaterial& material);

}  // namespace afina::collector
