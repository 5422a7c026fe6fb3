// SPDX-License-Identifier: Apache-2.0
// Alignment by optimal transport: whole distributions of a micro-batch compared, each rank with its like.
#pragma once
#include <span>
#include <vector>

namespace afina::dpo {

/// Of each entry of u: the loss at its rank and the derivative; of each entry of v the derivative alone.
struct SortedLoss {
  std::vector<double> value, by_u, by_v;
};

/// With δ the difference of the sorted u and the sorted v, rank by rank: −(1−e)·log σ(βδ) − e·log σ(−βδ) (Melnyk et al.
/// 2024, arXiv:2406.05882, section 3, with label smoothing e as TRL). aot (paired): u = log π(c) − log π(r), v the same
/// of the reference; aot_unpaired: u the log-ratios of the chosen, v those of the rejected. u and v have one length.
SortedLoss sorted_loss(std::span<const double> u, std::span<const double> v, double beta, double label_smoothing);

}  // namespace afina::dpo
