// SPDX-License-Identifier: Apache-2.0
// WPO: how much an answer counts, by how likely the policy itself would write it.
#pragma once
#include <vector>

#include "dpo/objective.h"

namespace afina::dpo {

/// exp of the mean over an answer's targets of log p(yₜ) − log Σᵥ p(v)², for each sequence (Zhou et al. 2024,
/// arXiv:2406.11827, eq. 2, with its weights aligned by the spread of the policy, as TRL). Constants to the gradient.
/// Throws InternalError without log_sum_p2.
std::vector<double> wpo_weights(const datasets::PackedBatch& batch, const TokenLogps& policy);

}  // namespace afina::dpo
