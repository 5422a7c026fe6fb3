// SPDX-License-Identifier: Apache-2.0
#include "lora/config/targets.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "lora/config/python_regex.h"

namespace afina::lora {
namespace {

constexpr size_t kMaxPatterns = 256;

/// "name == path or path ends with .name", for each entry of a list.
bool listed(const std::vector<std::string>& names, const std::string& path) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    if (path == name) return true;
    return path.size() > name.size() && path.ends_with(name) && path[path.size() - name.size() - 1] == '.';
  });
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return text;
}

/// The rules of one config, with its regexes compiled once.
class Matcher {
 public:
  explicit Matcher(const LoraConfig& config) : config_(config) {
    const size_t patterns = config.rank_pattern.size() + config.alpha_pattern.size() + config.layers_pattern.size() +
                            config.modules_to_save.size();
    if (patterns > kMaxPatterns)
      throw UsageError(cat("[lora.config] patterns must be ", kMaxPatterns, " at most, but are ", patterns, "."));
    if (!config.target_regex.empty()) target_.emplace(config.target_regex, "target_modules");
    if (!config.exclude_regex.empty()) exclude_.emplace(config.exclude_regex, "exclude_modules");
    for (const auto& [key, r] : config.rank_pattern)
      ranks_.emplace_back(cat("(.*\\.)?(", key, ")$"), "rank_pattern");
    for (const auto& [key, alpha] : config.alpha_pattern)
      alphas_.emplace_back(cat("(.*\\.)?(", key, ")$"), "alpha_pattern");
    for (const auto& pattern : config.layers_pattern)
      layers_.emplace_back(cat(".*\\.", pattern, "\\.(\\d+)\\."), "layers_pattern");
    for (const auto& name : config.modules_to_save)
      saved_.emplace_back(cat("(^|.*\\.)", name, "($|\\..*)"), "modules_to_save");
    all_linear_ = lower(config.target_regex) == "all-linear" ||
                  (config.target_modules.size() == 1 && lower(config.target_modules[0]) == "all-linear");
  }

  bool all_linear() const { return all_linear_; }

  /// PEFT's check_target_module_exists. layer: -1 outside the layers.
  bool targets(const std::string& path, int layer, bool linear_of_a_layer) const {
    if (exclude_ ? exclude_->full_match(path) : listed(config_.exclude_modules, path)) return false;
    for (const auto& saved : saved_)
      if (saved.match(path)) return false;
    if (all_linear_) return linear_of_a_layer && in_layers(path, layer);
    if (target_) return target_->full_match(path);
    const auto& names = config_.target_modules;
    if (std::find(names.begin(), names.end(), path) != names.end()) return true;
    return listed(names, path) && in_layers(path, layer);
  }

  Target fill(Target target) const {
    target.r = config_.r;
    target.alpha = config_.lora_alpha;
    for (size_t i = 0; i < ranks_.size(); ++i) {
      if (!ranks_[i].match(target.path)) continue;
      target.r = config_.rank_pattern[i].second;
      break;
    }
    for (size_t i = 0; i < alphas_.size(); ++i) {
      if (!alphas_[i].match(target.path)) continue;
      target.alpha = config_.alpha_pattern[i].second;
      break;
    }
    target.scale = config_.scale_of(target.r, target.alpha);
    return target;
  }

 private:
  bool in_layers(const std::string& path, int layer) const {
    const auto& chosen = config_.layers_to_transform;
    if (chosen.empty()) return true;
    if (layer < 0 || std::find(chosen.begin(), chosen.end(), layer) == chosen.end()) return false;
    return layers_.empty() ||
           std::any_of(layers_.begin(), layers_.end(), [&](const PythonRegex& r) { return r.match(path); });
  }

  const LoraConfig& config_;
  std::optional<PythonRegex> target_, exclude_;
  std::vector<PythonRegex> ranks_, alphas_, layers_, saved_;
  bool all_linear_ = false;
};

/// Modules that PEFT's rules also look at, but that hold no linear layer: a match is a mistake there too.
std::vector<std::string> other_paths(const DecoderShape& shape) {
  std::vector<std::string> paths = {"model", "model.layers", "model.norm", "model.rotary_emb"};
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    const std::string stem = cat("model.layers.", layer);
    paths.push_back(stem);
    for (const char* part : {"self_attn", "mlp", "mlp.act_fn", "input_layernorm", "post_attention_layernorm",
                             "self_attn.q_norm", "self_attn.k_norm"})
      paths.push_back(cat(stem, ".", part));
  }
  return paths;
}

[[noreturn]] void refuse_name(const std::string& key, const std::string& name) {
  std::vector<std::string> known = {"lm_head", "embed_tokens"};
  for (int i = 0; i < kModules; ++i)
    known.emplace_back(to_string(static_cast<Module>(i)));
  const std::string near = nearest_name(name, known);
  throw UsageError(cat("[lora.config] ", key, " must name linear layers, but got '", name, "', which matches nothing."),
                   near.empty()
                       ? "one of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head, or all-linear"
                       : cat("the nearest is '", near, "'"));
}

void check_names(const LoraConfig& config, const std::vector<std::string>& paths) {
  for (const auto& name : config.target_modules) {
    if (lower(name) == "all-linear" && config.target_modules.size() == 1) continue;
    if (std::none_of(paths.begin(), paths.end(), [&](const std::string& path) { return listed({name}, path); }))
      refuse_name("target_modules", name);
  }
}

void find_saved(const LoraConfig& config, const std::vector<std::string>& paths, Targets& out) {
  for (const auto& name : config.modules_to_save) {
    bool found = false;
    // PEFT: any(key.endswith(name)); no dot is asked for there.
    for (const auto& path : paths) {
      if (!path.ends_with(name)) continue;
      if (std::find(out.saved.begin(), out.saved.end(), path) == out.saved.end()) out.saved.push_back(path);
      found = true;
    }
    if (!found) refuse_name("modules_to_save", name);
  }
}

}  // namespace

std::string target_path(int layer, Module module) {
  return cat("model.layers.", layer, ".", module_path(module));
}

std::vector<std::string> target_names(const std::vector<std::pair<int, Module>>& modules, int64_t layers) {
  std::array<int64_t, kModules> counts{};
  for (const auto& [layer, module] : modules)
    ++counts[static_cast<size_t>(module)];
  std::vector<std::string> out;
  for (int m = 0; m < kModules; ++m)
    if (counts[static_cast<size_t>(m)] == layers) out.emplace_back(to_string(static_cast<Module>(m)));
  for (const auto& [layer, module] : modules)
    if (counts[static_cast<size_t>(module)] != layers) out.push_back(target_path(layer, module));
  return out;
}

Targets find_targets(const LoraConfig& config, const DecoderShape& shape, UnmatchedNames unmatched) {
  validate(config);
  if (config.target_modules.empty() && config.target_regex.empty())
    throw UsageError("[lora.config] target_modules must name at least one layer, but is empty.");
  const Matcher matcher(config);
  Targets out;
  std::vector<std::string> paths;
  for (int layer = 0; layer < static_cast<int>(shape.layers); ++layer) {
    for (int m = 0; m < kModules; ++m) {
      const auto module = static_cast<Module>(m);
      paths.push_back(target_path(layer, module));
      if (matcher.targets(paths.back(), layer, true))
        out.modules.push_back(matcher.fill({layer, module, paths.back()}));
    }
  }
  for (const auto& [path, slot] : {std::pair{kHeadPath, &out.head}, std::pair{kEmbeddingPath, &out.embedding}}) {
    paths.emplace_back(path);
    if (matcher.targets(paths.back(), -1, false)) *slot = matcher.fill({-1, Module::q_proj, paths.back()});
  }
  std::vector<std::string> every = paths;
  for (const auto& path : other_paths(shape)) {
    every.push_back(path);
    if (!matcher.all_linear() && matcher.targets(path, -1, false))
      throw UsageError(cat("[lora.config] target_modules must name linear layers, but match '", path, "'."));
  }
  if (unmatched == UnmatchedNames::refuse) check_names(config, paths);
  find_saved(config, every, out);
  if (out.modules.empty() && !out.head && !out.embedding)
    throw UsageError("[lora.config] target_modules must match at least one layer, but match none.");
  return out;
}

}  // namespace afina::lora
