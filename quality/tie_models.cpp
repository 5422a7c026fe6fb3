// SPDX-License-Identifier: Apache-2.0
#include "quality/tie_models.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "quality/special_functions.h"

namespace afina::quality {
namespace {

LocalLoss half_wins(Winner winner, double d) {
  const double y = winner == Winner::left ? 1 : winner == Winner::right ? 0 : 0.5, p = sigmoid(d);
  LocalLoss out;
  out.loss = -(y * log_sigmoid(d) + (1 - y) * log_sigmoid(-d));
  out.by_d = p - y;
  out.by_d_d = p * sigmoid(-d);
  return out;
}

// A multinomial logit with utilities d/2, −d/2 and θ.
LocalLoss davidson(Winner winner, double d, double theta) {
  const std::array<double, 3> utility{d / 2, -d / 2, theta}, along_d{0.5, -0.5, 0.0}, along_theta{0.0, 0.0, 1.0};
  const double top = *std::max_element(utility.begin(), utility.end());
  std::array<double, 3> p{};
  double sum = 0;
  for (size_t k = 0; k < 3; ++k)
    sum += p[k] = std::exp(utility[k] - top);
  double mean_d = 0, mean_theta = 0, square_d = 0, mixed = 0, square_theta = 0;
  for (size_t k = 0; k < 3; ++k) {
    p[k] /= sum;
    mean_d += p[k] * along_d[k];
    mean_theta += p[k] * along_theta[k];
    square_d += p[k] * along_d[k] * along_d[k];
    mixed += p[k] * along_d[k] * along_theta[k];
    square_theta += p[k] * along_theta[k] * along_theta[k];
  }
  const size_t said = winner == Winner::left ? 0 : winner == Winner::right ? 1 : 2;
  return {top + std::log(sum) - utility[said], mean_d - along_d[said],      mean_theta - along_theta[said],
          square_d - mean_d * mean_d,          mixed - mean_d * mean_theta, square_theta - mean_theta * mean_theta};
}

LocalLoss rao_kupper(Winner winner, double d, double theta) {
  const double above = d - theta, below = -d - theta;
  const double p = sigmoid(above), q = sigmoid(below), p1 = p * sigmoid(-above), q1 = q * sigmoid(-below);
  LocalLoss out;
  const bool left = winner != Winner::right, right = winner != Winner::left;
  if (left) {
    out.loss -= log_sigmoid(above);
    out.by_d -= 1 - p;
    out.by_theta += 1 - p;
    out.by_d_d += p1;
    out.by_d_theta -= p1;
    out.by_theta_theta += p1;
  }
  if (right) {
    out.loss -= log_sigmoid(below);
    out.by_d += 1 - q;
    out.by_theta += 1 - q;
    out.by_d_d += q1;
    out.by_d_theta += q1;
    out.by_theta_theta += q1;
  }
  if (winner == Winner::tie) {
    const double more = std::expm1(2 * theta);  // ν² − 1
    out.loss -= std::log(more);
    out.by_theta -= 2 * (more + 1) / more;
    out.by_theta_theta += 4 * (more + 1) / (more * more);
  }
  return out;
}

}  // namespace

std::string_view to_string(TieModel model) {
  switch (model) {
    case TieModel::half_wins:
      return "bradley_terry";
    case TieModel::davidson:
      return "davidson";
    case TieModel::rao_kupper:
      break;
  }
  return "rao_kupper";
}

OutcomeProbabilities outcome_probabilities(TieModel model, double d, double nu) {
  if ((model == TieModel::davidson && !(nu >= 0)) || (model == TieModel::rao_kupper && !(nu >= 1))) {
    throw UsageError(
        cat("[quality.tie_models] ν must be at least ", model == TieModel::davidson ? 0 : 1, ", but got ", nu, "."));
  }
  if (model == TieModel::half_wins) return {sigmoid(d), sigmoid(-d), 0};
  if (model == TieModel::davidson) {
    const double half = std::exp(-std::fabs(d) / 2), all = 1 + half * half + 2 * nu * half;
    const double strong = 1 / all, weak = half * half / all;
    return {d >= 0 ? strong : weak, d >= 0 ? weak : strong, 2 * nu * half / all};
  }
  const double left = sigmoid(d - std::log(nu)), right = sigmoid(-d - std::log(nu));
  return {left, right, (nu * nu - 1) * left * right};
}

LocalLoss local_loss(TieModel model, Winner winner, double d, double theta) {
  if (model == TieModel::half_wins) return half_wins(winner, d);
  return model == TieModel::davidson ? davidson(winner, d, theta) : rao_kupper(winner, d, theta);
}

}  // namespace afina::quality
