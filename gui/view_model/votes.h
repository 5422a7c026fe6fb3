// SPDX-License-Identifier: Apache-2.0
// What a handful of votes says: their tally, and the win rate of the arena with its interval. Pure functions. The
// labels that training sees are made in datasets/, not here.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "gui/view_model/data.h"

namespace afina::gui {

/// Standing votes only.
struct VoteTally {
  int64_t for_a = 0;
  int64_t for_b = 0;
  int64_t equal = 0;  ///< grade 0 and both good
  int64_t both_bad = 0;
  int64_t cannot_judge = 0;
  int64_t standing() const { return for_a + for_b + equal + both_bad + cannot_judge; }
  bool operator==(const VoteTally&) const = default;
};
VoteTally tally(const std::vector<Vote>& votes);

/// Place of a graded vote on a scale drawn with A at the left: 0 = A much better … 6 = B much better.
int scale_position(int grade);

struct WinRate {
  double rate = 0;  ///< (wins + ties / 2) / votes
  double low = 0;   ///< Wilson score interval, 95 %
  double high = 1;
};
/// None without votes. Votes count as independent here, which is optimistic where one prompt or annotator has many: the
/// clustered interval is the evaluation's.
std::optional<WinRate> win_rate(const ArenaStage& arena);

}  // namespace afina::gui
