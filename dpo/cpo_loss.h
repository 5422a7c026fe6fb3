// SPDX-License-Identifier: Apache-2.0
// Contrastive preference optimisation and SimPO: pairs without a reference model.
#pragma once
#include "dpo/likelihood.h"

namespace afina::dpo {

enum class CpoType { sigmoid, hinge, ipo, simpo };

struct CpoOptions {
  CpoType type = CpoType::sigmoid;
  double beta = 0.1;             ///< > 0; SimPO's paper takes 2 to 2.5
  double label_smoothing = 0.0;  ///< of sigmoid and simpo
  double cpo_alpha = 1.0;        ///< of the likelihood term; 0: none, as pure SimPO
  double simpo_gamma = 0.5;      ///< γ, nats
};

/// With p log-probabilities of an answer, summed (sigmoid, hinge) or averaged over its targets (ipo, simpo), and
/// z = β(p_c − p_r) − m:
///   sigmoid −q·log σ(z) − (1−q)·log σ(−z) (Xu et al. 2024, arXiv:2401.08417, eq. 3);  simpo the same at z − γ (Meng et
///   al. 2024, arXiv:2405.14734, eq. 6; its target margin turns round with the label: (1−q) meets −z + γ as in TRL);
///   hinge max(0, 1 − z);  ipo ((z − ½)/β)²,  the last two mixed by q with their value at −z;
///   L = Σ w·ℓ / Σ w + cpo_alpha·NLL(chosen) (likelihood.h), both over the optimiser batch.
/// Label smoothing makes q' = (1−e)q + e(1−q). Every example must be a pair. Metrics are TRL's: rewards β·p, logps p,
/// nll_loss. Thread-safe.
class CpoLoss final : public Objective {
 public:
  explicit CpoLoss(CpoOptions options) : options_(options), term_{options.cpo_alpha, false} {}
  Scope scope() const override { return Scope::pair; }
  bool needs_reference() const override { return false; }
  datasets::Divisors divisor_share(const datasets::PackedBatch& batch) const override;
  ObjectiveResult evaluate(const ObjectiveInput& input, std::span<double> dloss_dlogp) override;

 private:
  CpoOptions options_;
  LikelihoodTerm term_;
};

}  // namespace afina::dpo
