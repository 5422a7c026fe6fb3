// SPDX-License-Identifier: Apache-2.0
// How LoRA's modules lie over the decoder's fused sites. The configuration itself is lora/config/lora_config.h.
#pragma once
#include "lora/config/lora_config.h"
#include "lora/config/targets.h"
#include "model/adapter.h"
#include "model/config.h"

namespace afina::lora {

model::Site site_of(Module module);
/// The shape of a model's decoder.
DecoderShape shape_of(const model::ModelConfig& config);

}  // namespace afina::lora
