// SPDX-License-Identifier: Apache-2.0
// Chance-corrected agreement without missing data: Cohen's κ of two raters, Fleiss' κ of a constant number of raters.
// For anything else: krippendorff.h. Cohen 1960 and 1968; Fleiss 1971. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace afina::quality {

enum class KappaWeights { none, linear, quadratic };

/// κ_w = 1 − Σ w_ij O_ij / Σ w_ij E_ij over a K × K table (row: first rater, column: second; row-major counts), with
/// w = [i≠j], |i−j|/(K−1) or its square. Nothing where both raters used one same class only: chance agrees fully, κ is
/// 0/0. Throws DataError for a table that is not K × K, negative or empty. O(K²).
std::optional<double> cohen_kappa(std::span<const int64_t> table, int classes, KappaWeights weights);

struct FleissKappa {
  double observed = 0.0;        ///< P̄
  double expected = 0.0;        ///< P_e
  std::optional<double> kappa;  ///< nothing where everybody used one class
};
/// counts: items × classes, how many raters chose each class; every row must have the same sum n ≥ 2. Throws DataError
/// otherwise: Krippendorff's α is for those. O(items · classes).
FleissKappa fleiss_kappa(std::span<const int64_t> counts, int classes);

}  // namespace afina::quality
