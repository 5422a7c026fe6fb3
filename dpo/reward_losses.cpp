// SPDX-License-Identifier: Apache-2.0
#include "dpo/reward_losses.h"

#include "dpo/scalars.h"

namespace afina::dpo {

RewardsLoss nca_loss(double x, double y) {
  return {-log_sigmoid(x) - 0.5 * log_sigmoid(-x) - 0.5 * log_sigmoid(-y), -sigmoid(-x) + 0.5 * sigmoid(x),
          0.5 * sigmoid(y)};
}

RewardsLoss bco_pair_loss(double x, double y) {
  return {-log_sigmoid(x) - log_sigmoid(-y), -sigmoid(-x), sigmoid(y)};
}

RewardsLoss sppo_hard_loss(double x, double y, double beta) {
  const double won = (x - 0.5) / beta, lost = (y + 0.5) / beta;
  return {won * won + lost * lost, 2.0 * won / beta, 2.0 * lost / beta};
}

RewardsLoss apo_zero_loss(double x, double y) {
  return {sigmoid(-x) + sigmoid(y), -sigmoid(x) * sigmoid(-x), sigmoid(y) * sigmoid(-y)};
}

RewardsLoss apo_down_loss(double x, double y) {
  const double z = x - y, against = sigmoid(z) * sigmoid(-z);
  return {sigmoid(x) + sigmoid(-z), sigmoid(x) * sigmoid(-x) - against, against};
}

}  // namespace afina::dpo
