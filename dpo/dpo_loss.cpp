// SPDX-License-Identifier: Apache-2.0
#include "dpo/dpo_loss.h"

#include <cmath>

#include "base/error.h"

namespace afina::dpo {
namespace {

double sigmoid(double x) {
  return x >= 0 ? 1.0 / (1.0 + std::exp(-x)) : std::exp(x) / (1.0 + std::exp(x));
}

void set_derivatives(const datasets::PackedBatch& batch, const datasets::Sequence& sequence, double dloss_dlogp_sum,
                     std::span<double> out) {
  for (int i = 0; i < sequence.n_targets; ++i) {
    const auto t = static_cast<size_t>(sequence.first_target + i);
    out[t] = dloss_dlogp_sum * batch.targets[t].weight;
  }
}

}  // namespace

double log_sigmoid(double x) {
  return x >= 0 ? -std::log1p(std::exp(-x)) : x - std::log1p(std::exp(x));
}

PairLoss soft_label_loss(double z, double soft_label) {
  return {-soft_label * log_sigmoid(z) - (1.0 - soft_label) * log_sigmoid(-z), sigmoid(z) - soft_label};
}

DpoLoss::DpoLoss(double beta) : beta_(beta) {
  if (!(beta > 0.0)) throw UsageError(cat("[dpo.loss] beta must be above 0, but got ", beta, "."), "0.1 is usual");
}

datasets::Divisors DpoLoss::divisor_share(const datasets::PackedBatch& batch) const {
  double sum = 0.0;
  for (const auto& example : batch.examples)
    sum += example.weight;
  return {.main = sum};
}

ObjectiveResult DpoLoss::evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) {
  const datasets::PackedBatch& batch = input.batch;
  const ReferenceLogps* reference = input.reference;
  const double divisor = input.divisors.main;
  AFINA_CHECK(reference != nullptr && reference->sequence_logp.size() == batch.sequences.size(),
              "one reference value for each sequence");
  AFINA_CHECK(dloss_dlogp.size() == batch.targets.size() && divisor > 0.0, "one derivative for each target");
  const std::vector<double> logps = sequence_logps(batch, input.policy.logp);
  ObjectiveResult result;
  auto& metrics = result.metric_sums;
  for (const auto& example : batch.examples) {
    AFINA_CHECK(example.n_sequences == 2, "DPO takes pairs");
    const auto c = static_cast<size_t>(example.first_sequence), r = c + 1;
    const double reward_chosen = beta_ * (logps[c] - reference->sequence_logp[c]);
    const double reward_rejected = beta_ * (logps[r] - reference->sequence_logp[r]);
    const PairLoss pair = soft_label_loss(reward_chosen - reward_rejected - example.margin, example.soft_label);
    const double share = example.weight / divisor;
    result.loss += share * pair.loss;
    result.example_losses.push_back(pair.loss);
    set_derivatives(batch, batch.sequences[c], share * beta_ * pair.dloss_dz, dloss_dlogp);
    set_derivatives(batch, batch.sequences[r], -share * beta_ * pair.dloss_dz, dloss_dlogp);
    metrics["rewards/chosen"] += reward_chosen;
    metrics["rewards/rejected"] += reward_rejected;
    metrics["rewards/margins"] += reward_chosen - reward_rejected;
    metrics["rewards/accuracies"] += reward_chosen > reward_rejected ? 1.0 : 0.0;
    metrics["logps/chosen"] += logps[c];
    metrics["logps/rejected"] += logps[r];
  }
  result.metric_weight = static_cast<double>(batch.examples.size());
  return result;
}

}  // namespace afina::dpo
