// SPDX-License-Identifier: Apache-2.0
// Preference losses that judge each answer of a pair by itself, by its implicit reward β·log π/π_ref.
#pragma once

namespace afina::dpo {

/// ℓ of a pair and its derivatives by the rewards x of the chosen and y of the rejected answer.
struct RewardsLoss {
  double value = 0.0;
  double by_chosen = 0.0;
  double by_rejected = 0.0;
};

// At x = β·a − m/2 and y = β·d + m/2: the margin m is asked half of each answer, so that x − y = βΔ − m as everywhere.
// Thread-safe.

/// −log σ(x) − ½·log σ(−x) − ½·log σ(−y): NCA, Chen et al. 2024, arXiv:2402.05369, section 4.1 with K = 2.
RewardsLoss nca_loss(double x, double y);
/// −log σ(x) − log σ(−y): BCO for pairs, Jung et al. 2024, arXiv:2404.04656, section 4, without its running mean, as
/// TRL.
RewardsLoss bco_pair_loss(double x, double y);
/// ((x − ½)/β)² + ((y + ½)/β)²: SPPO, Wu et al. 2024, arXiv:2405.00675, eq. 4.7 with hard probabilities; the paper's η
/// is 1/β.
RewardsLoss sppo_hard_loss(double x, double y, double beta);
/// 1 − σ(x) + σ(y): APO-zero, D'Oosterlinck et al. 2024, arXiv:2408.06266, eq. 7.
RewardsLoss apo_zero_loss(double x, double y);
/// σ(x) + 1 − σ(x − y): APO-down, the same, eq. 8.
RewardsLoss apo_down_loss(double x, double y);

}  // namespace afina::dpo
