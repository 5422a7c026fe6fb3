// SPDX-License-Identifier: Apache-2.0
// Odds-ratio preference optimisation: likelihood of the chosen answer and its odds against the rejected one, in one
// loss.
#pragma once
#include "dpo/likelihood.h"
#include "dpo/margin_losses.h"

namespace afina::dpo {

/// log odds(chosen) − log odds(rejected), and its derivatives by the two length-averaged log-probabilities.
struct LogOddsRatio {
  double value = 0.0;
  double by_chosen = 0.0;
  double by_rejected = 0.0;
};
/// odds(p) = e^p / (1 − e^p). p <= 0 is taken as at most −1e-7, where 1 − e^p is below fp32's precision, so that the
/// result stays finite.
LogOddsRatio log_odds_ratio(double p_chosen, double p_rejected);

/// Hong et al. 2024, arXiv:2403.07691, eq. 4, 6 and 7, with p log-probabilities averaged over an answer's targets:
///   ℓ = β·[−q·log σ(o − m) − (1−q)·log σ(m − o)],  o = log odds(p_c) − log odds(p_r),   L = NLL + Σ w·ℓ / Σ w,
/// NLL over the chosen answer and, by default as TRL, its prompt (likelihood.h), both over the optimiser batch. The
/// paper's λ is β. Every example must be a pair, with its prompt's targets as kPromptSide where nll_on_prompt (a prompt
/// of one token has none). Metrics are TRL's: rewards β·p, logps p, nll_loss, log_odds_ratio = log σ(o),
/// log_odds_chosen = o. Thread-safe.
class OrpoLoss final : public Objective {
 public:
  OrpoLoss(double beta, bool nll_on_prompt) : beta_(beta), term_{1.0, nll_on_prompt} {}
  Scope scope() const override { return Scope::pair; }
  bool needs_reference() const override { return false; }
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;

 private:
  Sides pair_of(const datasets::PackedBatch& batch, const datasets::ExampleRef& example) const;
  double beta_;
  LikelihoodTerm term_;
};

}  // namespace afina::dpo
