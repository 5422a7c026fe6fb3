// SPDX-License-Identifier: Apache-2.0
#include "lora/config/lora_config.h"

#include <cmath>

#include "base/error.h"

namespace afina::lora {
namespace {

struct ModuleRow {
  std::string_view name, path;
};

constexpr std::array<ModuleRow, kModules> kTable{{{"q_proj", "self_attn.q_proj"},
                                                  {"k_proj", "self_attn.k_proj"},
                                                  {"v_proj", "self_attn.v_proj"},
                                                  {"o_proj", "self_attn.o_proj"},
                                                  {"gate_proj", "mlp.gate_proj"},
                                                  {"up_proj", "mlp.up_proj"},
                                                  {"down_proj", "mlp.down_proj"}}};
constexpr std::array<std::string_view, 5> kInits{"kaiming", "gaussian", "random", "pissa", "zero"};
constexpr int kMaxRank = 65536;  // above any matrix this engine meets; bounds what a hostile file can ask for

void check_rank(const std::string& what, int64_t r) {
  if (r < 1 || r > kMaxRank)
    throw UsageError(cat("[lora.config] ", what, " must be 1 to ", kMaxRank, ", but got ", r, "."));
}

void check_alpha(const std::string& what, double alpha) {
  if (!(alpha > 0) || !std::isfinite(alpha))
    throw UsageError(cat("[lora.config] ", what, " must be above 0, but got ", alpha, "."));
}

}  // namespace

std::string_view to_string(Module module) {
  return kTable[static_cast<size_t>(module)].name;
}

std::string_view module_path(Module module) {
  return kTable[static_cast<size_t>(module)].path;
}

std::string_view to_string(LoraInit init) {
  return kInits[static_cast<size_t>(init)];
}

bool from_string(std::string_view word, LoraInit& out) {
  for (size_t i = 0; i < kInits.size(); ++i) {
    if (kInits[i] != word) continue;
    out = static_cast<LoraInit>(i);
    return true;
  }
  return false;
}

double LoraConfig::scale_of(int rank, double alpha) const {
  return alpha / (use_rslora ? std::sqrt(static_cast<double>(rank)) : rank);
}

void validate(const LoraConfig& config) {
  check_rank("r", config.r);
  check_alpha("lora_alpha", config.lora_alpha);
  for (const auto& [key, r] : config.rank_pattern)
    check_rank(cat("rank_pattern of '", key, "'"), r);
  for (const auto& [key, alpha] : config.alpha_pattern)
    check_alpha(cat("alpha_pattern of '", key, "'"), alpha);
  if (!(config.lora_dropout >= 0 && config.lora_dropout < 1))
    throw UsageError(cat("[lora.config] lora_dropout must be in [0, 1), but got ", config.lora_dropout, "."));
  for (const int layer : config.layers_to_transform)
    if (layer < 0) throw UsageError(cat("[lora.config] layers_to_transform must be 0 or more, but got ", layer, "."));
  if (!config.layers_pattern.empty() && config.layers_to_transform.empty())
    throw UsageError("[lora.config] layers_pattern must come with layers_to_transform, but stands alone.");
  const bool picks_layers = !config.layers_to_transform.empty() || !config.layers_pattern.empty();
  if (!config.target_regex.empty() && picks_layers)
    throw UsageError("[lora.config] layers_to_transform must come with a list of target_modules, but they are a regex.",
                     "put the layer numbers into the regex");
  if (config.lora_bias && config.use_dora)
    throw UsageError("[lora.config] lora_bias must be off with use_dora (as in PEFT), but both are on.");
  if (config.init_lora_weights == LoraInit::pissa && (config.use_dora || config.lora_bias))
    throw UsageError("[lora.config] init_lora_weights 'pissa' must be alone, but use_dora or lora_bias is on.");
}

int64_t DecoderShape::in_features(Module module) const {
  switch (module) {
    case Module::o_proj:
      return q_size;
    case Module::down_proj:
      return ffn;
    default:
      return hidden;
  }
}

int64_t DecoderShape::out_features(Module module) const {
  switch (module) {
    case Module::q_proj:
      return q_size;
    case Module::k_proj:
    case Module::v_proj:
      return kv_size;
    case Module::gate_proj:
    case Module::up_proj:
      return ffn;
    default:
      return hidden;
  }
}

int64_t DecoderShape::output_offset(Module module) const {
  switch (module) {
    case Module::k_proj:
      return q_size;
    case Module::v_proj:
      return q_size + kv_size;
    case Module::up_proj:
      return ffn;
    default:
      return 0;
  }
}

}  // namespace afina::lora
