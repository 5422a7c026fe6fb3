// SPDX-License-Identifier: Apache-2.0
// Preference losses that see a pair as one number z, the margin between its implicit rewards.
#pragma once
#include "dpo/f_divergence.h"

namespace afina::dpo {

/// How one judge labelled a pair, or many on the whole: win + tie + loss = 1.
struct Label {
  double q = 1.0;    ///< probability that the chosen answer is better, a tie counted half
  double tie = 0.0;  ///< share of judgements that called both equal
  double win() const { return q - tie / 2; }
  double loss() const { return 1.0 - q - tie / 2; }
};

/// q with a share e of wrong labels: (1−e)·q + e·(1−q) (Mitchell 2023, "A note on DPO with noisy preferences").
double smoothed(double q, double e);

// Each gives ℓ and dℓ/dz of a pair at z = βΔ − m; the label q mixes a loss with that of the pair turned round:
// q·ℓ(z) + (1−q)·ℓ(−z). Thread-safe.

/// −q·log σ(z) − (1−q)·log σ(−z): DPO, Rafailov et al. 2023, arXiv:2305.18290, eq. 7.
Derived sigmoid_loss(double z, double q);
/// max(0, 1 − z): SLiC, Zhao et al. 2023, arXiv:2305.10425, section 2, on log-ratios as RSO, arXiv:2309.06657.
Derived hinge_loss(double z, double q);
/// ((z − ½)/β)²: IPO, Azar et al. 2023, arXiv:2310.12036, eq. 17, its τ being β; z of length-averaged log-ratios.
Derived ipo_loss(double z, double q, double beta);
/// KL from (σ(z), σ(−z)) to the label (t, 1−t): EXO, Ji et al. 2024, arXiv:2402.00856, eq. 16, with t = smoothed(q, e),
/// which is the paper's 1 − ε at q = 1. Finite for 0 < t < 1 alone.
Derived exo_loss(double z, double t);
/// [−(1−e)·log σ(z) + e·log σ(−z)] / (1 − 2e): Chowdhury et al. 2024, arXiv:2403.00409, section 3.1.
Derived robust_loss(double z, double q, double e);
/// (1−s)·(−log σ(z)) + s·e^−z with s = σ(z/τ): DiscoPOP, Lu et al. 2024, arXiv:2406.08414, eq. 5. Exponents above 80
/// are cut.
Derived discopop_loss(double z, double q, double tau);
/// −win·log P(win) − tie·log P(tie) − loss·log P(loss) for answers of strengths e^z and 1:
/// P(win) : P(tie) : P(loss) = e^(z/2) : ν : e^(−z/2) (Davidson 1970, JASA 65(329), pp. 317–328; in DPO
/// arXiv:2409.17431). ν > 0.
Derived davidson_loss(double z, const Label& label, double nu);
/// The same with P(win) = σ(z − log θ), P(loss) = σ(−z − log θ), P(tie) = (θ² − 1)·P(win)·P(loss) (Rao and Kupper 1967,
/// JASA 62(317), pp. 194–204; in DPO arXiv:2409.17431). θ > 1.
Derived rao_kupper_loss(double z, const Label& label, double theta);

}  // namespace afina::dpo
