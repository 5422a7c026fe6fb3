// SPDX-License-Identifier: Apache-2.0
// From a LoraConfig to the layers it means, by PEFT's rules (tuners/tuners_utils.py check_target_module_exists,
// utils/other.py get_pattern_key): names match a whole path or its end after a dot, a regex must match the whole path,
// excluded and saved modules are left out, layers_to_transform cuts lists (but not exact whole paths, PEFT's quirk).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lora/config/lora_config.h"

namespace afina::lora {

inline constexpr std::string_view kHeadPath = "lm_head";
inline constexpr std::string_view kEmbeddingPath = "model.embed_tokens";

/// One adapted module with its own rank and scale.
struct Target {
  int layer = -1;  ///< -1: head or embedding
  Module module = Module::q_proj;
  std::string path;  ///< "model.layers.3.self_attn.q_proj", "lm_head", "model.embed_tokens"
  int r = 0;
  double alpha = 0;
  double scale = 0;
};

struct Targets {
  std::vector<Target> modules;  ///< of the layers, by layer, then in Module's order
  std::optional<Target> head, embedding;
  std::vector<std::string> saved;  ///< paths that modules_to_save names
};

/// "model.layers.3.self_attn.q_proj".
std::string target_path(int layer, Module module);

/// The shortest target_modules for these modules: bare names where every layer has them, else whole paths.
std::vector<std::string> target_names(const std::vector<std::pair<int, Module>>& modules, int64_t layers);

/// What a name that matches nothing is: a slip of whoever configures a run, or a file written for a wider family.
enum class UnmatchedNames { refuse, allow };

/// Throws UsageError "[lora.config] …" for numbers out of range, a regex that is none or does not end within its match
/// limit, a target that is no linear layer (a norm, a whole block), a config that matches nothing, and, with refuse, a
/// name that matches nothing (with the nearest known one).
Targets find_targets(const LoraConfig& config, const DecoderShape& shape, UnmatchedNames unmatched);

}  // namespace afina::lora
