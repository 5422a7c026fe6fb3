// SPDX-License-Identifier: Apache-2.0
// Which projections an adapter touches, and with what rank and scale: the part of PEFT's LoraConfig that Afina trains.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/adapter.h"
#include "model/config.h"

namespace afina::lora {

/// The seven linear layers of a decoder layer, in the order parameters are laid out.
enum class Module { q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj };
inline constexpr int kModules = 7;
/// PEFT's and Hugging Face's names: "q_proj" …
std::string_view to_string(Module module);
/// "self_attn.q_proj", "mlp.gate_proj": the path within a layer.
std::string_view module_path(Module module);
model::Site site_of(Module module);

/// Hu et al. 2021, arXiv:2106.09685: y = Wx + (lora_alpha/r)·B(A x); rsLoRA (arXiv:2312.03732) divides by √r.
struct LoraConfig {
  int r = 8;                  ///< rank, >= 1
  double lora_alpha = 8;      ///< > 0
  double lora_dropout = 0.0;  ///< share of inputs dropped in training, [0, 1)
  bool use_rslora = false;
  std::vector<std::string> target_modules;  ///< module names, or {"all-linear"}
  double scale() const;                     ///< alpha/r or alpha/√r
};

/// The targeted modules in layout order. Throws UsageError "[lora.config] …" for an unknown name (with the nearest
/// known one), an empty list, or numbers out of range.
std::vector<Module> resolve_targets(const LoraConfig& config);

/// Sizes an adapter needs to know of a decoder.
struct DecoderShape {
  int64_t layers = 0, hidden = 0, q_size = 0, kv_size = 0, ffn = 0;
  int64_t in_features(Module module) const;
  int64_t out_features(Module module) const;
  /// First output column of the module within its site's fused output.
  int64_t output_offset(Module module) const;
};

/// The shape of a model's decoder.
DecoderShape shape_of(const model::ModelConfig& config);

}  // namespace afina::lora
