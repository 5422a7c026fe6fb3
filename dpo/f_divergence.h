// SPDX-License-Identifier: Apache-2.0
// f-DPO: what a log-ratio log π/π_ref counts, by the divergence that keeps the policy near its reference.
#pragma once

namespace afina::dpo {

/// TRL's f_divergence_type.
enum class Divergence { reverse_kl, forward_kl, js_divergence, alpha_divergence };

/// A value and its derivative by the one argument.
struct Derived {
  double value = 0.0;
  double slope = 0.0;
};

/// f′(u) at u = e^x = π/π_ref (Wang et al. 2023, arXiv:2309.16240, table 1), normalised as TRL to 0 at x = 0:
///   reverse_kl x;  forward_kl 1 − e^−x;  js_divergence log 2 + log σ(x);  alpha_divergence (e^((α−1)x) − 1)/(α−1),
/// which is x where |α − 1| < 1e-6. Exponents above 80 are cut there and have slope 0 (TRL: alpha_divergence alone).
/// x: nats. Thread-safe.
Derived divergence_score(Divergence divergence, double alpha, double x);

}  // namespace afina::dpo
