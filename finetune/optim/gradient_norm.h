// SPDX-License-Identifier: Apache-2.0
// The gradient's global norm and its clipping.
#pragma once
#include <span>

namespace afina::finetune {

/// L2 norm summed in doubles in one fixed order, whatever the number of threads. NaN or infinite where an entry is.
double global_norm(std::span<const float> gradient);
/// torch.nn.utils.clip_grad_norm_: g *= min(1, max_norm / (norm + 1e-6)); max_norm <= 0 leaves the gradient alone.
void clip_gradient(std::span<float> gradient, double norm, double max_norm);

}  // namespace afina::finetune
