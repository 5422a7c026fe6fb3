// SPDX-License-Identifier: Apache-2.0
// The likelihood term beside a preference loss (DPO's sft, CPO, ORPO): mean negative log-likelihood of the chosen
// answers.
#pragma once
#include <span>

#include "dpo/sides.h"

namespace afina::dpo {

/// L = Σ w·[NLL(prompt) + q·NLL(chosen) + (1−q)·NLL(rejected)] / Σ w·[n(prompt) + q·n(chosen) + (1−q)·n(rejected)], NLL
/// and n summed over targets, each counted once, and over the optimiser batch (Divisors::nll); the prompt only where it
/// is asked for. At q = w = 1 it is the token mean over the chosen answers that TRL takes; a soft label shares it
/// between the answers as the judges would.
struct LikelihoodTerm {
  double weight = 1.0;  ///< λ before L; 0: no term
  bool with_prompt = false;
};

/// What one example adds to Divisors::nll.
double likelihood_divisor(const LikelihoodTerm& term, const datasets::PackedBatch& batch,
                          const datasets::ExampleRef& example, const Sides& sides);

/// Adds one example's share of λ·L to `result` (its loss, and nll_loss among the metrics) and to `derivatives`; returns
/// λ times the example's own mean. plain: plain_logps(). Throws InternalError where divisor_nll is not above 0.
double add_likelihood(const LikelihoodTerm& term, const ObjectiveInput& input, const datasets::ExampleRef& example,
                      const Sides& sides, std::span<const double> plain, ObjectiveResult& result,
                      SequenceDerivatives& derivatives);

}  // namespace afina::dpo
