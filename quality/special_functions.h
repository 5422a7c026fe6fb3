// SPDX-License-Identifier: Apache-2.0
// The few special functions that the estimators need; <cmath>'s lgamma writes a global sign and is not thread-safe.
// Accurate to about 1e-12 relative where used. Pure.
#pragma once

namespace afina::quality {

/// ln Γ(x), x > 0 (Stirling's series after shifting x above 10).
double log_gamma(double x);
/// ψ(x) = d ln Γ / dx, x > 0.
double digamma(double x);
/// I_x(a, b), the distribution function of Beta(a, b): continued fraction (Lentz; Numerical Recipes §6.4). a, b > 0.
double beta_cdf(double a, double b, double x);
/// The x with I_x(a, b) = p, by bisection to 1e-12.
double beta_quantile(double a, double b, double p);
/// P(X ≥ k) of Binomial(n, p), by I_p(k, n−k+1). 0 ≤ k ≤ n.
double binomial_tail(double n, double k, double p);
/// P(|Z| ≥ |z|) of a standard normal: also the χ² tail with one degree of freedom at z².
double normal_two_sided(double z);
/// z with P(|Z| < z) = confidence: 1.959964 at 0.95.
double normal_quantile_two_sided(double confidence);
/// 1/(1+e^−x) and its logarithm without overflow.
double sigmoid(double x);
double log_sigmoid(double x);

}  // namespace afina::quality
