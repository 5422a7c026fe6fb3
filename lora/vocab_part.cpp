// SPDX-License-Identifier: Apache-2.0
#include "lora/vocab_part.h"

#include <ATen/ATen.h>

namespace afina::lora {

at::Tensor VocabPart::apply(at::Tensor w_VD) const {
  if (replaced_VD.defined()) return replaced_VD;
  if (base_VD.defined()) w_VD = base_VD.clone();
  if (!has_lora()) return w_VD;
  if (is_embedding) {
    w_VD.addmm_(a.t(), b.t(), 1, scale);
  } else {
    w_VD.addmm_(b, a, 1, scale);
  }
  if (!magnitude.defined()) return w_VD;
  // DoRA on an embedding keeps one length for each hidden feature, over the whole vocabulary (PEFT DoraEmbeddingLayer).
  const int64_t along = is_embedding ? 0 : 1;
  const at::Tensor norm = w_VD.square().sum(at::IntArrayRef{along}, true, at::kDouble).sqrt().to(at::kFloat);
  return w_VD.mul_((is_embedding ? magnitude.unsqueeze(0) : magnitude.unsqueeze(1)) / norm);
}

}  // namespace afina::lora
