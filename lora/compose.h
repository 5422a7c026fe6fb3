// SPDX-License-Identifier: Apache-2.0
// One adapter from several, as PEFT's add_weighted_adapter (0.21, tuners/lora/model.py, utils/merge_utils.py) makes it.
// cat is exact: the sum of the weighted deltas. The others are PEFT's, quirks included:
//  - linear is not the sum of deltas: A and B are summed apart with √|w·s|, so B_i A_j of different adapters mix in.
//  - svd and *_svd work on whole deltas, each with its own scale, weighed by w alone (PEFT before 0.21 weighed by w·s
//    again): exact up to the rank that is kept.
//  - ties and dare_* work on A and on B apart; ties elects signs on the unweighted, pruned tensors, and zero counts +.
//  - dare_* is random: PEFT takes torch's global generator, Afina a named seed, so results equal in distribution only.
// One quirk is not kept: PEFT leaves use_rslora of the first adapter set, which scales the result by √r. Source of the
// methods: arXiv:2306.01708 (TIES), arXiv:2311.03099 (DARE).
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "lora/adapter_set.h"

namespace afina::lora {

enum class ComposeMethod {
  cat,
  linear,
  svd,
  ties,
  dare_linear,
  dare_ties,
  magnitude_prune,
  ties_svd,
  dare_linear_svd,
  dare_ties_svd,
  magnitude_prune_svd
};
std::string_view to_string(ComposeMethod method);
bool from_string(std::string_view word, ComposeMethod& out);

/// How ties elects the sign of an entry: by the sum of the values, or by counting signs.
enum class MajoritySign { total, frequency };
std::string_view to_string(MajoritySign method);
bool from_string(std::string_view word, MajoritySign& out);

struct ComposeOptions {
  int svd_rank = 0;     ///< rank of *svd; 0: the largest rank of the adapters
  double density = -1;  ///< share kept by ties*, dare_*, magnitude_prune*; (0, 1], needed there
  MajoritySign majority_sign = MajoritySign::total;
  uint64_t seed = 0;  ///< of dare_*
};

/// The adapters must share one shape and hold plain LoRA (DoRA, lora_bias and modules_to_save are refused with the
/// alternative); linear, ties, dare_* and magnitude_prune need equal ranks. One adapter alone is always linear, as in
/// PEFT. The result has r = alpha, so that its scale is 1, no patterns, no rsLoRA, and the union of the targets. Throws
/// UsageError.
std::unique_ptr<AdapterSet> compose(ComposeMethod method, std::span<const AdapterSet* const> adapters,
                                    std::span<const double> weights, const ComposeOptions& options = {});

}  // namespace afina::lora
