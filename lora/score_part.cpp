// SPDX-License-Identifier: Apache-2.0
// The part of AdapterSet that is a reward model's head.
#include "lora/score_part.h"

#include <ATen/ATen.h>

#include "lora/adapter_set.h"

namespace afina::lora {

at::Tensor AdapterSet::score_weight() const {
  return score_begin_ < 0 ? at::Tensor() : flat_P_.narrow(0, score_begin_, shape_.hidden);
}

void AdapterSet::add_score_gradient(const at::Tensor& d_score_D, at::Tensor& flat_grad_P) const {
  if (score_begin_ >= 0) flat_grad_P.narrow(0, score_begin_, shape_.hidden).add_(d_score_D);
}

}  // namespace afina::lora
