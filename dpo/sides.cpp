// SPDX-License-Identifier: Apache-2.0
#include "dpo/sides.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace afina::dpo {

void refuse_row(const datasets::ExampleRef& example, std::string_view must, std::string_view got,
                std::string_view hint) {
  throw DataError(cat("[dpo.batch] row ", example.row, " must ", must, ", but got ", got, "."), std::string(hint));
}

Sides sides_of(const datasets::PackedBatch& batch, const datasets::ExampleRef& example, size_t fewest, size_t most) {
  Sides out;
  std::vector<std::optional<size_t>> by_side;
  for (int i = 0; i < example.n_sequences; ++i) {
    const auto s = static_cast<size_t>(example.first_sequence + i);
    const int side = batch.sequences.at(s).side;
    const bool is_prompt = side == datasets::kPromptSide;
    if (!is_prompt && (side < 0 || side >= example.n_sequences))
      refuse_row(example, "have its answers numbered from 0", cat("number ", side));
    if (!is_prompt) by_side.resize(std::max(by_side.size(), static_cast<size_t>(side) + 1));
    auto& place = is_prompt ? out.prompt : by_side[static_cast<size_t>(side)];
    if (place) refuse_row(example, "have each answer once", cat("number ", side, " twice"));
    place = s;
  }
  for (size_t side = 0; side < by_side.size(); ++side) {
    if (!by_side[side]) refuse_row(example, "have its answers numbered without a gap", cat("none at ", side));
    out.answers.push_back(*by_side[side]);
  }
  if (out.answers.size() < fewest || out.answers.size() > most) {
    const std::string range = fewest == most ? cat(fewest) : most > 1000 ? cat(fewest, " or more") : cat("1 or 2");
    refuse_row(example, cat("have ", range, " answers for this objective"), cat(out.answers.size()));
  }
  return out;
}

void check_label(const datasets::ExampleRef& example) {
  if (!(example.soft_label >= 0.0 && example.soft_label <= 1.0))
    refuse_row(example, "have a soft label of 0 to 1", cat(example.soft_label));
  if (!std::isfinite(example.margin)) refuse_row(example, "have a finite margin", cat(example.margin));
  if (!(example.weight >= 0.0) || !std::isfinite(example.weight))
    refuse_row(example, "have a weight of 0 or more", cat(example.weight));
}

double example_weights(const datasets::PackedBatch& batch) {
  double sum = 0.0;
  for (const auto& example : batch.examples)
    sum += example.weight;
  return sum;
}

void check_input(const ObjectiveInput& input, std::span<const double> dloss_dlogp, bool needs_reference) {
  AFINA_CHECK(!needs_reference ||
                  (input.reference != nullptr && input.reference->sequence_logp.size() == input.batch.sequences.size()),
              "one reference value for each sequence");
  AFINA_CHECK(
      input.policy.logp.size() == input.batch.targets.size() && dloss_dlogp.size() == input.batch.targets.size(),
      "one log-probability and one derivative for each target");
  AFINA_CHECK(input.divisors.main > 0.0, "the divisor of an optimiser batch is its sum of weights");
}

std::vector<double> plain_logps(const datasets::PackedBatch& batch, std::span<const double> logp) {
  std::vector<double> sums(batch.sequences.size(), 0.0);
  for (size_t i = 0; i < batch.targets.size(); ++i)
    sums[static_cast<size_t>(batch.targets[i].sequence)] += logp[i];
  return sums;
}

void SequenceDerivatives::spread(const datasets::PackedBatch& batch, std::span<double> out) const {
  for (size_t i = 0; i < batch.targets.size(); ++i) {
    const auto s = static_cast<size_t>(batch.targets[i].sequence);
    out[i] = by_sum[s] * batch.targets[i].weight + by_plain_sum[s];
  }
}

double length_of(const datasets::PackedBatch& batch, size_t sequence) {
  return std::max(1, batch.sequences[sequence].n_targets);
}

void add_pair_metrics(const PairMetrics& pair, double accuracy, ObjectiveResult& result) {
  auto& metrics = result.metric_sums;
  metrics["rewards/chosen"] += pair.reward_chosen;
  metrics["rewards/rejected"] += pair.reward_rejected;
  metrics["rewards/margins"] += pair.reward_chosen - pair.reward_rejected;
  metrics["rewards/accuracies"] += accuracy;
  metrics["logps/chosen"] += pair.logp_chosen;
  metrics["logps/rejected"] += pair.logp_rejected;
}

}  // namespace afina::dpo
