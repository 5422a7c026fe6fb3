// SPDX-License-Identifier: Apache-2.0
#include "gui/view_model/votes.h"

#include <algorithm>
#include <cmath>

namespace afina::gui {

VoteTally tally(const std::vector<Vote>& votes) {
  VoteTally out;
  for (const Vote& vote : votes) {
    if (vote.superseded) continue;
    switch (vote.outcome) {
      case Outcome::both_good:
        ++out.equal;
        break;
      case Outcome::both_bad:
        ++out.both_bad;
        break;
      case Outcome::cannot_judge:
        ++out.cannot_judge;
        break;
      case Outcome::graded:
        ++(vote.grade > 0 ? out.for_a : vote.grade < 0 ? out.for_b : out.equal);
        break;
    }
  }
  return out;
}

int scale_position(int grade) {
  return 3 - std::clamp(grade, -3, 3);
}

std::optional<WinRate> win_rate(const ArenaStage& arena) {
  const auto n = static_cast<double>(arena.wins + arena.ties + arena.losses);
  if (n <= 0) return std::nullopt;
  const double z = 1.959964, p = (static_cast<double>(arena.wins) + 0.5 * static_cast<double>(arena.ties)) / n;
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return WinRate{p, std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace afina::gui
