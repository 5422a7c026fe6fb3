// SPDX-License-Identifier: Apache-2.0
// What an adapter does to the output head (lm_head) or the embedding (model.embed_tokens), both [V, D]: LoRA on it, or
// a whole replacement (PEFT's modules_to_save). Applied once, when the adapter meets its model; never trained here.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace afina::lora {

struct VocabPart {
  bool is_embedding = false;
  at::Tensor replaced_VD;  ///< modules_to_save; the rest is then undefined
  at::Tensor a, b;         ///< head: [r, D], [V, r]; embedding: [r, V], [D, r]
  at::Tensor magnitude;    ///< DoRA: head [V], embedding [D]; else undefined
  at::Tensor base_VD;      ///< the base weight PEFT stored beside it (a changed vocabulary); else undefined
  double scale = 0;
  bool has_lora() const { return a.defined(); }

  /// The weight the model is to use. w_VD: the model's own, fp32; may be changed in place.
  at::Tensor apply(at::Tensor w_VD) const;
};

}  // namespace afina::lora
