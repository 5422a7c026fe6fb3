// SPDX-License-Identifier: Apache-2.0
// Bradley–Terry with annotators who are not all equal (crowd-kit's NoisyBradleyTerry): annotator w judges with
// probability σ(γ_w), else picks the left with probability σ(q_w).
//   P(left) = σ(γ) σ(s_l − s_r) + (1 − σ(γ)) σ(q);  a tie is half a vote for each side; q = 0 where the answers were
//   not seen side by side
// minimise −Σ ln P + λ_s/2·Σ s² + λ_γ/2·Σ (γ − γ₀)² + λ_q/2·Σ q² by L-BFGS. Without the ridges an annotator of one vote
// would be called perfect or a spammer. Not convex in γ: started from γ = γ₀, s = q = 0. Pure.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "quality/ratings.h"

namespace afina::quality {

struct NoisyOptions {
  double strength_ridge = 0.1, skill_ridge = 0.5, bias_ridge = 0.5;
  double skill_start = 2.0;  ///< γ₀: 0.88 of the votes are judged
  int max_iterations = 500;
  double tolerance = 1e-8;  ///< on the largest entry of the gradient, relative to 1 + |loss|
};

struct NoisyFit {
  std::vector<double> strength;  ///< s, nats, Σ = 0
  std::vector<double> skill;     ///< γ of each annotator; σ(γ) is the share they judge
  std::vector<double> bias;      ///< q; σ(q) is the share of left when they do not
  double loss = 0.0;             ///< with the ridges
  int iterations = 0;
  bool converged = false;
};

/// P(left) for one annotator.
double noisy_left_probability(double difference, double skill, double bias);

/// Battle.annotator is dense below `annotators` here. Throws as fit_ratings.
NoisyFit fit_noisy_bradley_terry(std::span<const Battle> battles, uint32_t models, uint32_t annotators,
                                 const NoisyOptions& options = {});

}  // namespace afina::quality
