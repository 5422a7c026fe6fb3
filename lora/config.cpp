// SPDX-License-Identifier: Apache-2.0
#include "lora/config.h"

namespace afina::lora {

model::Site site_of(Module module) {
  switch (module) {
    case Module::q_proj:
    case Module::k_proj:
    case Module::v_proj:
      return model::Site::qkv;
    case Module::o_proj:
      return model::Site::o;
    case Module::gate_proj:
    case Module::up_proj:
      return model::Site::gate_up;
    case Module::down_proj:
      break;
  }
  return model::Site::down;
}

DecoderShape shape_of(const model::ModelConfig& config) {
  return {.layers = config.layers,
          .hidden = config.hidden,
          .q_size = config.q_width(),
          .kv_size = config.kv_width(),
          .ffn = config.ffn,
          .vocab = config.vocab_size,
          .tied_head = config.tied_head};
}

}  // namespace afina::lora
