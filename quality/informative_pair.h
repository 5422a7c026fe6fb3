// SPDX-License-Identifier: Apache-2.0
// Which two models to show next, and how many votes would tell two of them apart.
// A vote on (i, j) has Fisher information v = p(1−p), p = σ(ξ_i − ξ_j). With covariance Σ of ξ it takes
// v·‖Σx‖² / (1 + v·xᵀΣx) from the sum of all variances (Sherman and Morrison; A-optimal design), x = e_i − e_j. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "quality/ratings.h"

namespace afina::quality {

struct PairGain {
  uint32_t first = 0, second = 0;
  double gain = 0.0;  ///< nats², how much Σ variance falls by one vote
};
/// All pairs, best first; equals in the order of (first, second). O(M³).
std::vector<PairGain> informative_pairs(const RatingFit& fit);

/// More votes on (first, second) until their difference stands z errors from 0 if it stays as it is:
/// n = ((z/d)² − 1/V)/v, 0 where it does already; nothing where the strengths are equal or n passes 1e9.
std::optional<int64_t> votes_to_separate(const RatingFit& fit, uint32_t first, uint32_t second,
                                         double confidence = 0.95);

}  // namespace afina::quality
