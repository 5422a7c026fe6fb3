// SPDX-License-Identifier: Apache-2.0
// What a person said about an item, in positions of its answers (never left and right), and the sums on it: whether it
// agrees with a known answer, and how far several people part. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/judgements/details.h"
#include "storage/tasks/types.h"
#include "storage/types.h"

namespace afina::storage {

struct PositionRating {
  int position = 0;
  Aspect aspect = Aspect::helpful;
  int value = 0;  ///< 1..5
};
struct PositionFlag {
  int position = 0;
  FlagKind kind = FlagKind::toxic;
};

/// Which members count depends on the project's kind: outcome and grade (pairwise), tiers (ranking), ratings (rating),
/// flags (flagging). A rewrite has no verdict.
struct TaskVerdict {
  std::optional<Outcome> outcome;
  int grade = 0;                        ///< 3: the answer at position 0 is much better … -3: the one at position 1
  std::vector<std::vector<int>> tiers;  ///< best first; each position once
  std::vector<PositionRating> ratings;
  std::vector<PositionFlag> flags;
};

/// Throws DataError where the verdict does not fit the kind and the number of answers. `what` begins the message.
void check_verdict(ProjectKind kind, const TaskVerdict& verdict, int answers, const std::string& what);

/// As stored in item.gold and shown to whoever may see it: sides by letter of the position.
Json verdict_to_json(ProjectKind kind, const TaskVerdict& verdict);
/// Reads what verdict_to_json wrote, and what engineers write as gold. Throws DataError.
TaskVerdict verdict_from_json(ProjectKind kind, const Json& json, int answers, const std::string& what);
/// The same verdict about sides as shown: shown_order[i] is the position at side i.
TaskVerdict as_shown(const TaskVerdict& verdict, const std::vector<int>& shown_order);
/// Back from sides as shown to positions; within a tier in their order, which says nothing.
TaskVerdict as_stored(const TaskVerdict& verdict, const std::vector<int>& shown_order);

/// Share of gold's strict orders that a ranking must share to be correct.
inline constexpr double kRankingPass = 0.75;
/// pairwise: the same sign, or the same word; ranking: at least kRankingPass of gold's strict orders; rating: every
/// rating of gold given, within 1; flagging: the same flags; rewrite: always true (nothing is known).
bool agrees_with_gold(ProjectKind kind, const TaskVerdict& gold, const TaskVerdict& given);

/// How far verdicts on one item part.
struct Spread {
  double value = 0;
  bool disputed = false;
};
/// Kendall's normalised distance from which rankings are disputed.
inline constexpr double kKendallDisputed = 0.5;
/// pairwise: range of grades (both_good and both_bad count 0), disputed for opposite signs, a range of 3 or more, or
/// both_good beside both_bad; ranking: largest normalised Kendall distance (a tie against an order counts half),
/// disputed from kKendallDisputed; rating: largest range of one answer and aspect, disputed from 2; flagging: largest
/// Jaccard distance of two sets of flags (two empty ones are alike), disputed above 0; rewrite: 0, see rewrite_spread.
/// cannot_judge says nothing.
Spread spread_of(ProjectKind kind, const std::vector<TaskVerdict>& verdicts);
/// Rewrites to choose from: how many different ones there are beside the first, disputed from 1.
Spread rewrite_spread(const std::vector<std::string>& rewrites);
/// 0 = same order, 1 = reversed. Both must rank the same positions.
double kendall_distance(const std::vector<std::vector<int>>& a, const std::vector<std::vector<int>>& b);

}  // namespace afina::storage
