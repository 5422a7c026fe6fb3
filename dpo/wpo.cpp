// SPDX-License-Identifier: Apache-2.0
#include "dpo/wpo.h"

#include <cmath>

#include "base/error.h"
#include "dpo/sides.h"

namespace afina::dpo {

std::vector<double> wpo_weights(const datasets::PackedBatch& batch, const TokenLogps& policy) {
  AFINA_CHECK(policy.log_sum_p2.size() == batch.targets.size(), "one log sum of squares for each target");
  std::vector<double> weights(batch.sequences.size(), 0.0);
  for (size_t i = 0; i < batch.targets.size(); ++i)
    weights[static_cast<size_t>(batch.targets[i].sequence)] += policy.logp[i] - policy.log_sum_p2[i];
  for (size_t s = 0; s < weights.size(); ++s)
    weights[s] = std::exp(weights[s] / length_of(batch, s));
  return weights;
}

}  // namespace afina::dpo
