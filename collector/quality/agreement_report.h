// SPDX-License-Identifier: Apache-2.0
// Agreement in a project as a pure function of what its annotators said: Krippendorff's α on three scales with
// intervals for each aspect and locale, and Cohen's and Fleiss' κ where they are valid. Never one number for all.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "quality/krippendorff.h"
#include "storage/quality/project_values.h"

namespace afina::collector {

/// One value of one annotator for one unit; values of one aspect are comparable.
struct UnitRating {
  std::string unit, annotator, locale;
  std::string aspect;  ///< "" for the verdict itself, "verdict_class" for all verdicts as names
  double value = 0.0;
  bool named = false;  ///< the numbers stand for names: only the nominal scale has a meaning
};

/// verdict: the grade (both good is 0; both bad and cannot judge are no grade). verdict_class: better first, better
/// second, equal, both good, both bad, as names. Of rankings, one unit for each two answers: 1, 0 or −1.
std::vector<UnitRating> unit_ratings(const std::vector<storage::SubmittedVerdict>& verdicts);
/// Ratings by aspect, and flags by kind (named: raised or not).
std::vector<UnitRating> unit_ratings(const std::vector<storage::SubmittedValue>& values, bool flags);

/// [{aspect, locale, units, values, annotators, nominal, ordinal, interval, cohen?, fleiss?}], an α being {state,
/// value?, low?, high?}. In the order of aspect and locale. cohen: exactly two annotators who both rated every unit;
/// fleiss: the same number of values, two or more, on every unit.
Json agreement_groups(const std::vector<UnitRating>& ratings, const quality::AlphaBootstrap& bootstrap = {});

/// α between one annotator and everybody else: units of two values, theirs and another's of the same unit. Nominal for
/// named values, else interval. By annotator.
std::map<std::string, quality::Alpha> alpha_with_others(const std::vector<UnitRating>& ratings);

Json to_json(const quality::Alpha& alpha);

}  // namespace afina::collector
