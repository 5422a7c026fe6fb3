// SPDX-License-Identifier: Apache-2.0
// One comparison's likelihood as a function of d = ξ_left − ξ_right (+ c) and a tie parameter.
//   half_wins (Bradley–Terry 1952): P(left) = σ(d); a tie is half a win for each
//   davidson (1970):   P(left) = 1/(1 + e^−d + 2ν e^−d/2), P(tie) = 2ν e^−d/2 P(left); textbooks' ν is twice this one
//   rao_kupper (1967): P(left) = σ(d − ln ν), P(tie) = (ν² − 1) σ(d − ln ν) σ(−d − ln ν), ν ≥ 1
// Inside, the tie parameter is θ = ln 2ν for Davidson and θ = ln ν > 0 for Rao–Kupper; −ln P is convex in (d, θ).
#pragma once
#include <string_view>

namespace afina::quality {

enum class TieModel { half_wins, davidson, rao_kupper };
std::string_view to_string(TieModel model);

enum class Winner { left, right, tie };

struct OutcomeProbabilities {
  double left = 0.0, right = 0.0, tie = 0.0;
};
/// nu: see above; not used by half_wins, which gives no ties. Throws UsageError for ν < 0 (Davidson) or < 1
/// (Rao–Kupper).
OutcomeProbabilities outcome_probabilities(TieModel model, double d, double nu);

/// −ln P and its derivatives.
struct LocalLoss {
  double loss = 0.0;
  double by_d = 0.0, by_theta = 0.0;
  double by_d_d = 0.0, by_d_theta = 0.0, by_theta_theta = 0.0;
};
LocalLoss local_loss(TieModel model, Winner winner, double d, double theta);

}  // namespace afina::quality
