// SPDX-License-Identifier: Apache-2.0
// Strengths of models from comparisons: Bradley–Terry, Davidson or Rao–Kupper, with a coefficient for the side shown
// left and errors that know that one person's votes are not independent.
//   minimise Σ w·ℓ(outcome; d, θ) + λ/2·Σξ²,  d = ξ_left − ξ_right + c,  Σξ = 0   (ℓ: tie_models.h)
// c only of battles whose two answers were seen side by side (Battle::sided).
//   Σ = H⁻¹ G H⁻¹,  H = ∂²,  G = Σ_a g_a g_aᵀ · A/(A−1), g_a the gradient of annotator a's votes (Liang and Zeger 1986)
// Rating R = 1000 + ξ·400/ln 10. Newton's method on votes collapsed to (left, right, outcome, weight): O(votes) once,
// then O(M³ + kinds) a step. Pure; thread-safe.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "quality/bounds.h"
#include "quality/symmetric.h"
#include "quality/tie_models.h"

namespace afina::quality {

/// `count` votes that say the same.
struct Battle {
  uint32_t left = 0, right = 0;  ///< models, 0 … models−1, different
  Winner winner = Winner::tie;
  uint32_t annotator = 0;  ///< any number; equal ones are one person
  int64_t count = 1;
  bool sided = true;  ///< both answers stood side by side; else the side said nothing and c has no part in it
};

struct RatingOptions {
  TieModel ties = TieModel::half_wins;
  bool position = true;  ///< estimate c, the advantage of being shown left, nats
  double ridge = 0.0;    ///< λ on ξ
  /// λ on everything where the data bound no estimate: the graph of wins is not strongly connected, or one side always
  /// wins. 0.5 is a prior deviation of 1.4 nats, 246 points.
  double fallback_ridge = 0.5;
  bool clustered = true;           ///< errors by annotator; false: every vote on its own
  double pair_weight_floor = 0.0;  ///< > 0: a vote weighs 1/max(votes of its pair, floor), scaled to mean 1; 0: 1
};

struct RatingFit {
  std::vector<double> strength;    ///< ξ, nats, Σ = 0
  SquareMatrix covariance;         ///< of ξ, then c where estimated, then θ where estimated
  std::optional<double> position;  ///< c
  std::optional<double> position_error;
  double nu = 0.0;        ///< ν of the tie model; 0 (Davidson) or 1 (Rao–Kupper) without ties
  double loss = 0.0;      ///< −ln likelihood without the ridge
  double ridge = 0.0;     ///< λ that was used
  bool connected = true;  ///< every model beats every other along some path
  int64_t votes = 0, annotators = 0;
  int iterations = 0;
  bool converged = true;

  double error(size_t model) const;  ///< standard error of ξ
};

/// Throws DataError for no battle, a model out of range, a battle of a model with itself, or a count below 1;
/// UsageError for negative λ. Models without battles get ξ = 0 by the ridge, which then is the fallback.
RatingFit fit_ratings(std::span<const Battle> battles, uint32_t models, const RatingOptions& options = {});

struct Rating {
  double rating = 1000.0, low = 0.0, high = 0.0;
  int rank = 1;  ///< 1 + number of models whose lower bound lies above this one's upper bound
};
/// R of every model with its normal interval.
std::vector<Rating> published_ratings(const RatingFit& fit, double confidence = 0.95);
double rating_of(double strength);  ///< 1000 + ξ·400/ln 10

/// Every model can be reached from every other along wins, a tie being a win of both. O(models + battles).
bool strongly_connected(std::span<const Battle> battles, uint32_t models);

}  // namespace afina::quality
