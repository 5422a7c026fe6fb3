// SPDX-License-Identifier: Apache-2.0
#include "dpo/objective.h"

#include "base/error.h"

namespace afina::dpo {

void Objective::restore(std::span<const double> state) {
  if (!state.empty())
    throw DataError(
        cat("[dpo.state] must be empty for an objective without state, but got ", state.size(), " values."));
}

std::vector<double> sequence_logps(const datasets::PackedBatch& batch, std::span<const double> logp) {
  AFINA_CHECK(logp.size() == batch.targets.size(), "one log-probability for each target");
  std::vector<double> sums(batch.sequences.size(), 0.0);
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    sums[static_cast<size_t>(batch.targets[i].sequence)] += batch.targets[i].weight * logp[i];
  }
  return sums;
}

}  // namespace afina::dpo
