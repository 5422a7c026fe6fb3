// SPDX-License-Identifier: Apache-2.0
// Direct preference optimisation as first published: PreferenceLoss with its defaults.
#pragma once
#include "dpo/preference_loss.h"

namespace afina::dpo {

/// PreferenceLoss of the type sigmoid.
class DpoLoss final : public PreferenceLoss {
 public:
  /// beta > 0.
  explicit DpoLoss(double beta) : PreferenceLoss({.beta = beta}) {}
};

}  // namespace afina::dpo
