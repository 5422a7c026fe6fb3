// SPDX-License-Identifier: Apache-2.0
// Which two models to show next, and how many votes would tell two of them apart. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "quality/ratings.h"

namespace afina::quality {

/// Comparisons of two different models, first < second.
struct PairTally {
  uint32_t first = 0, second = 0;
  int64_t first_wins = 0, second_wins = 0, ties = 0;
};

/// Fisher information of the Bradley–Terry strengths: Σ n·p(1 − p)·xxᵀ over pairs, x = e_i − e_j, p at the strengths
/// that fit the tallies with one more tie a pair (so that a model that never lost has a finite one), plus 11ᵀ/M in the
/// direction that no difference sees.
SquareMatrix rating_information(uint32_t models, std::span<const PairTally> tallies);

/// The pairs with the largest p(1 − p)·Var(ξ_i − ξ_j): to first order, the growth of the log-determinant of the
/// information by one vote (D-optimal design). All that are as good, in their order. Where the comparisons do not
/// connect all models no variance exists: then the pairs that join two unconnected groups. models ≥ 2; O(models³).
/// Throws DataError for a tally of a model out of range, of one with itself or below 0.
std::vector<std::pair<uint32_t, uint32_t>> most_informative_pairs(uint32_t models, std::span<const PairTally> tallies);

/// More votes on (first, second) until their difference stands z errors from 0 if it stays as it is:
/// n = ((z/d)² − 1/V)/v, 0 where it does already; nothing where the strengths are equal or n passes 1e9.
std::optional<int64_t> votes_to_separate(const RatingFit& fit, uint32_t first, uint32_t second,
                                         double confidence = 0.95);

}  // namespace afina::quality
