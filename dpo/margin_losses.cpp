// SPDX-License-Identifier: Apache-2.0
#include "dpo/margin_losses.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "dpo/scalars.h"

namespace afina::dpo {
namespace {

/// q·ℓ(z) + (1−q)·ℓ(−z).
template <typename Loss>
Derived mixed(double z, double q, const Loss& loss) {
  const Derived kept = loss(z);
  if (q == 1.0) return kept;
  const Derived turned = loss(-z);
  return {q * kept.value + (1.0 - q) * turned.value, q * kept.slope - (1.0 - q) * turned.slope};
}

Derived discopop_of_kept(double z, double tau) {
  constexpr double kLargestExponent = 80.0;
  const double share = sigmoid(z / tau), rest = sigmoid(-z / tau);
  // s·e^−z as one exponential: its factors are 0 and infinity where z is far below 0.
  const double exponent = log_sigmoid(z / tau) - z;
  const double exponential = std::exp(std::min(exponent, kLargestExponent));
  const double logistic = -log_sigmoid(z);
  Derived out{rest * logistic + exponential, -rest * sigmoid(-z) - rest / tau * share * logistic};
  if (exponent <= kLargestExponent) out.slope += (rest / tau - 1.0) * exponential;
  return out;
}

}  // namespace

double smoothed(double q, double e) {
  return (1.0 - e) * q + e * (1.0 - q);
}

Derived sigmoid_loss(double z, double q) {
  return {-q * log_sigmoid(z) - (1.0 - q) * log_sigmoid(-z), sigmoid(z) - q};
}

Derived hinge_loss(double z, double q) {
  return mixed(z, q, [](double x) { return Derived{relu(1.0 - x), x < 1.0 ? -1.0 : 0.0}; });
}

Derived ipo_loss(double z, double q, double beta) {
  return mixed(z, q, [beta](double x) {
    const double h = (x - 0.5) / beta;
    return Derived{h * h, 2.0 * h / beta};
  });
}

Derived exo_loss(double z, double t) {
  const double won = sigmoid(z), lost = sigmoid(-z);
  const double gain = log_sigmoid(z) - std::log(t), cost = log_sigmoid(-z) - std::log1p(-t);
  return {won * gain + lost * cost, won * lost * (gain - cost)};
}

Derived robust_loss(double z, double q, double e) {
  return mixed(z, q, [e](double x) {
    const double scale = 1.0 / (1.0 - 2.0 * e);
    return Derived{(-(1.0 - e) * log_sigmoid(x) + e * log_sigmoid(-x)) * scale,
                   (-(1.0 - e) * sigmoid(-x) - e * sigmoid(x)) * scale};
  });
}

Derived discopop_loss(double z, double q, double tau) {
  return mixed(z, q, [tau](double x) { return discopop_of_kept(x, tau); });
}

Derived davidson_loss(double z, const Label& label, double nu) {
  const std::array<double, 3> terms{z / 2, -z / 2, std::log(nu)};
  const double total = log_sum_exp(terms);
  const double win = std::exp(z / 2 - total), loss = std::exp(-z / 2 - total);
  return {label.win() * (total - z / 2) + label.loss() * (total + z / 2) + label.tie * (total - std::log(nu)),
          (win - loss - label.win() + label.loss()) / 2};
}

Derived rao_kupper_loss(double z, const Label& label, double theta) {
  const double threshold = std::log(theta);
  const double not_lost = label.win() + label.tie, not_won = label.loss() + label.tie;
  const double tie_constant = label.tie * std::log((theta - 1.0) * (theta + 1.0));
  return {-not_lost * log_sigmoid(z - threshold) - not_won * log_sigmoid(-z - threshold) - tie_constant,
          -not_lost * sigmoid(threshold - z) + not_won * sigmoid(z + threshold)};
}

}  // namespace afina::dpo
