// SPDX-License-Identifier: Apache-2.0
#include "lora/config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace afina::lora {
namespace {

struct ModuleRow {
  std::string_view name, path;
  model::Site site;
};

constexpr std::array<ModuleRow, kModules> kTable{{
    {"q_proj", "self_attn.q_proj", model::Site::qkv},
    {"k_proj", "self_attn.k_proj", model::Site::qkv},
    {"v_proj", "self_attn.v_proj", model::Site::qkv},
    {"o_proj", "self_attn.o_proj", model::Site::o},
    {"gate_proj", "mlp.gate_proj", model::Site::gate_up},
    {"up_proj", "mlp.up_proj", model::Site::gate_up},
    {"down_proj", "mlp.down_proj", model::Site::down},
}};

const ModuleRow& row(Module module) {
  return kTable[static_cast<size_t>(module)];
}

}  // namespace

std::string_view to_string(Module module) {
  return row(module).name;
}

std::string_view module_path(Module module) {
  return row(module).path;
}

model::Site site_of(Module module) {
  return row(module).site;
}

double LoraConfig::scale() const {
  return lora_alpha / (use_rslora ? std::sqrt(static_cast<double>(r)) : r);
}

std::vector<Module> resolve_targets(const LoraConfig& config) {
  if (config.r < 1 || config.r > 4096)
    throw UsageError(cat("[lora.config] r must be 1 to 4096, but got ", config.r, "."));
  if (!(config.lora_alpha > 0))
    throw UsageError(cat("[lora.config] lora_alpha must be above 0, but got ", config.lora_alpha, "."));
  if (!(config.lora_dropout >= 0 && config.lora_dropout < 1)) {
    throw UsageError(cat("[lora.config] lora_dropout must be in [0, 1), but got ", config.lora_dropout, "."));
  }
  std::vector<std::string> known;
  for (const auto& entry : kTable)
    known.emplace_back(entry.name);
  std::array<bool, kModules> chosen{};
  for (const auto& name : config.target_modules) {
    if (name == "all-linear") {
      chosen.fill(true);
      continue;
    }
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      const std::string near = nearest_name(name, known);
      throw UsageError(cat("[lora.config] target_modules must name linear layers, but got '", name, "'."),
                       near.empty()
                           ? "one of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, or all-linear"
                           : cat("the nearest is '", near, "'"));
    }
    chosen[static_cast<size_t>(found - known.begin())] = true;
  }
  std::vector<Module> modules;
  for (int i = 0; i < kModules; ++i) {
    if (chosen[static_cast<size_t>(i)]) modules.push_back(static_cast<Module>(i));
  }
  if (modules.empty()) throw UsageError("[lora.config] target_modules must name at least one layer, but is empty.");
  return modules;
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

DecoderShape shape_of(const model::ModelConfig& config) {
  return {.layers = config.layers,
          .hidden = config.hidden,
          .q_size = config.q_width(),
          .kv_size = config.kv_width(),
          .ffn = config.ffn};
}

}  // namespace afina::lora
