// SPDX-License-Identifier: Apache-2.0
#include "dpo/likelihood.h"

#include <array>

#include "base/error.h"

namespace afina::dpo {
namespace {

struct Part {
  size_t sequence;
  double share;
};

std::vector<Part> parts_of(const LikelihoodTerm& term, const datasets::ExampleRef& example, const Sides& sides) {
  std::vector<Part> parts;
  if (term.with_prompt && sides.prompt) parts.push_back({*sides.prompt, 1.0});
  parts.push_back({sides.chosen(), example.soft_label});
  if (example.soft_label < 1.0) parts.push_back({sides.rejected(), 1.0 - example.soft_label});
  return parts;
}

}  // namespace

double likelihood_divisor(const LikelihoodTerm& term, const datasets::PackedBatch& batch,
                          const datasets::ExampleRef& example, const Sides& sides) {
  if (term.weight == 0.0) return 0.0;
  double targets = 0.0;
  for (const auto& [sequence, share] : parts_of(term, example, sides))
    targets += share * batch.sequences[sequence].n_targets;
  return example.weight * targets;
}

double add_likelihood(const LikelihoodTerm& term, const ObjectiveInput& input, const datasets::ExampleRef& example,
                      const Sides& sides, std::span<const double> plain, ObjectiveResult& result,
                      SequenceDerivatives& derivatives) {
  if (term.weight == 0.0) return 0.0;
  AFINA_CHECK(input.divisors.nll > 0.0, "the likelihood term's divisor is its number of targets");
  const double scale = term.weight * example.weight / input.divisors.nll;
  double nll = 0.0, targets = 0.0;
  for (const auto& [sequence, share] : parts_of(term, example, sides)) {
    nll -= share * plain[sequence];
    targets += share * input.batch.sequences[sequence].n_targets;
    derivatives.by_plain_sum[sequence] -= scale * share;
  }
  result.loss += scale * nll;
  result.metric_sums["nll_loss"] += example.weight * nll;
  result.metric_weights["nll_loss"] += example.weight * targets;
  return targets > 0.0 ? term.weight * nll / targets : 0.0;
}

}  // namespace afina::dpo
