// SPDX-License-Identifier: Apache-2.0
// "Both bad" is not a tie: it says that neither answer is acceptable, whoever is better. Each model has a chance α that
// an answer of its is acceptable, independent of the other's:
//   both bad: (1−α_i)(1−α_j);  both good: α_i α_j;  a grade: at least one is, 1 − (1−α_i)(1−α_j)
// EM with a Beta(1, 1) prior on each α; O(verdict kinds) an iteration. Pure.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "quality/bounds.h"

namespace afina::quality {

enum class PairVerdict { graded, both_good, both_bad };

/// `count` verdicts on answers of two models.
struct AcceptabilityVote {
  uint32_t first = 0, second = 0;
  PairVerdict verdict = PairVerdict::graded;
  int64_t count = 1;
};

struct Acceptability {
  double share = 0.5;             ///< α
  double logit = 0.0;             ///< ln α/(1−α)
  Bounds interval{0.025, 0.975};  ///< 95 % Beta of the answers whose acceptability is known or expected
  int64_t votes = 0;
};
/// Throws DataError for a model out of range, against itself, or a count below 1. Models without votes keep the prior.
std::vector<Acceptability> fit_acceptability(std::span<const AcceptabilityVote> votes, uint32_t models);

}  // namespace afina::quality
