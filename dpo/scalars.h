// SPDX-License-Identifier: Apache-2.0
// The few functions of numbers that every objective is made of, without overflow or cancellation.
#pragma once
#include <span>

namespace afina::dpo {

/// σ(x) = 1 / (1 + e^−x).
double sigmoid(double x);
/// log σ(x).
double log_sigmoid(double x);
/// log(1 − e^x) of x <= 0, by log(−expm1 x) near 0 and log1p(−e^x) far from it (Mächler 2012, "Accurately computing
/// log(1 − exp(−|a|))"); −infinity at 0.
double log1mexp(double x);
/// log Σ e^xᵢ of at least one number.
double log_sum_exp(std::span<const double> x);
/// max(x, 0), as torch's relu: 0 also at the corner, with derivative 0 there.
double relu(double x);

}  // namespace afina::dpo
