// SPDX-License-Identifier: Apache-2.0
// Everything that cannot be run, as sentences: what one key forbids, and what two of them forbid together.
#include <algorithm>
#include <set>

#include "finetune/config/run_config.h"

namespace afina::finetune {
namespace {

bool is_init(const std::string& word) {
  constexpr std::string_view kIterated = "pissa_niter_";
  if (word == "true" || word == "false" || word == "gaussian" || word == "pissa") return true;
  const bool iterated = word.starts_with(kIterated) && word.size() > kIterated.size() && word.size() < 15;
  return iterated && word.find_first_not_of("0123456789", kIterated.size()) == std::string::npos;
}

void adapter_problems(const RunConfig& config, std::vector<std::string>& out) {
  if (!is_init(config.init_lora_weights))
    out.push_back(cat("init_lora_weights must be true, false, gaussian, pissa or pissa_niter_N, but got ",
                      config.init_lora_weights));
  if (config.use_dora && config.lora_dropout > 0)
    out.push_back("lora_dropout must be 0 with use_dora: dropout would run every frozen product twice");
  if (config.use_dora && config.lora_bias) out.push_back("lora_bias must be off with use_dora, but both are on");
  if (config.init_lora_weights.starts_with("pissa") && (config.use_dora || config.lora_bias))
    out.push_back("init_lora_weights pissa must be alone, but use_dora or lora_bias is on");
  for (const auto& layer : config.layers_to_transform)
    if (layer.empty() || layer.size() > 6 || layer.find_first_not_of("0123456789") != std::string::npos)
      out.push_back(cat("layers_to_transform must be numbers of layers, but got '", layer, "'"));
  const auto check = [&](const char* key, const std::vector<std::string>& entries) {
    for (const auto& entry : entries) {
      try {
        pattern_entry(key, entry);
      } catch (const UsageError&) {
        out.push_back(cat(key, " must be entries like q_proj=8, but got '", entry, "'"));
      }
    }
  };
  check("rank_pattern", config.rank_pattern);
  check("alpha_pattern", config.alpha_pattern);
}

/// Keys that say nothing to other kinds of run: a value of their own there is a mistake, not a wish to be passed over.
struct KeyOfKinds {
  const char* key;
  std::set<RunKind> kinds;
};

const std::vector<KeyOfKinds>& keys_of_kinds() {
  using enum RunKind;
  static const std::set<RunKind> with_reference = {dpo, kto, bco};
  static const std::set<RunKind> pairs = {dpo, cpo, orpo, reward};
  static const std::vector<KeyOfKinds> table = {
      {"assistant_only_loss", {sft}},
      {"completion_only_loss", {sft}},
      {"neftune_noise_alpha", {sft}},
      {"packing_strategy", {sft}},
      {"beta", {dpo, kto, cpo, orpo, bco}},
      {"loss_type", {dpo, kto, cpo}},
      {"loss_weights", {dpo}},
      {"label_smoothing", {dpo, cpo}},
      {"ld_alpha", {dpo}},
      {"f_divergence_type", {dpo}},
      {"f_alpha_divergence_coef", {dpo}},
      {"use_weighting", {dpo}},
      {"discopop_tau", {dpo}},
      {"tie_parameter", {dpo}},
      {"desirable_weight", {kto}},
      {"undesirable_weight", {kto}},
      {"cpo_alpha", {cpo}},
      {"simpo_gamma", {cpo}},
      {"nll_on_prompt", {orpo}},
      {"center_rewards_coefficient", {reward}},
      {"reference", with_reference},
      {"precompute_ref_log_probs", with_reference},
      {"label_mode", pairs},
      {"margin_scale", {dpo, reward}},
  };
  return table;
}

void kind_problems(RunKind kind, const RunConfig& config, std::vector<std::string>& out) {
  const OrderedJson now = config_json(config), defaults = config_json(default_config(kind));
  for (const auto& [key, kinds] : keys_of_kinds()) {
    if (kinds.count(kind) != 0 || now[key] == defaults[key]) continue;
    std::string list;
    for (const RunKind other : kinds)
      list += cat(list.empty() ? "" : ", ", to_string(other));
    out.push_back(cat(key, " must be left out of ", to_string(kind), ": it belongs to ", list));
  }
}

bool belongs(RunKind kind, std::string_view key) {
  for (const auto& [of_kinds, kinds] : keys_of_kinds())
    if (key == of_kinds) return kinds.count(kind) != 0;
  return true;
}

void list_problems(const RunConfig& config, std::vector<std::string>& out) {
  for (const auto& weight : config.loss_weights) {
    const Json number = Json::parse(weight, nullptr, false);
    if (!number.is_number() || !(number.get<double>() >= 0))
      out.push_back(cat("loss_weights must be numbers of 0 or more, but got '", weight, "'"));
  }
  if (!config.loss_weights.empty() && config.loss_weights.size() != std::max<size_t>(1, config.loss_type.size()))
    out.push_back(cat("loss_weights must be one number for each loss_type, but there are ", config.loss_weights.size(),
                      " for ", config.loss_type.size()));
  for (const auto& [key, entries] : {std::pair{"learning_rate_pattern", &config.learning_rate_pattern},
                                     std::pair{"lr_scheduler_kwargs", &config.lr_scheduler_kwargs}})
    for (const auto& entry : *entries)
      if (entry.find('=') == std::string::npos || entry.front() == '=' || entry.back() == '=')
        out.push_back(cat(key, " must be entries like name=value, but got '", entry, "'"));
}

void evaluation_problems(const RunConfig& config, std::vector<std::string>& out) {
  const bool chooses = config.load_best_model_at_end || config.early_stopping_patience > 0 ||
                       config.lr_scheduler_type == SchedulerType::reduce_lr_on_plateau;
  if (chooses && config.eval_steps <= 0)
    out.push_back(
        "eval_steps must be at least 1 with early_stopping_patience, load_best_model_at_end or reduce_lr_on_plateau, "
        "but got 0");
  if (config.load_best_model_at_end && config.save_steps > 0 &&
      config.save_steps % std::max<int64_t>(1, config.eval_steps) != 0)
    out.push_back(cat("save_steps must be a multiple of eval_steps (", config.eval_steps,
                      ") with load_best_model_at_end, but got ", config.save_steps));
  if (chooses && !config.metric_for_best_model.starts_with("eval_"))
    out.push_back(cat("metric_for_best_model must be a held-out one (eval_…), but got ", config.metric_for_best_model));
}

/// What only the CPU does.
void add_device_problems(RunKind kind, const RunConfig& config, std::vector<std::string>& out) {
  const std::string hint = " with device=cuda";
  if (kind == RunKind::sft && config.loss_sum == LossSum::float32) out.push_back("loss_sum must be float64" + hint);
  if (config.use_dora) out.push_back("use_dora must be false" + hint);
  if (config.init_lora_weights.starts_with("pissa")) out.push_back("init_lora_weights must not be pissa" + hint);
}

}  // namespace

std::vector<std::string> problems(RunKind kind, const RunConfig& config) {
  std::vector<std::string> out = range_problems(config);
  if (config.max_steps == 0) out.push_back("max_steps must be -1 or at least 1, but got 0");
  if (config.max_steps < 0 && !(config.num_train_epochs > 0)) {
    out.push_back("num_train_epochs must be above 0 where max_steps is -1, but got 0");
  }
  if (config.target_modules.empty()) out.push_back("target_modules must name at least one module, but is empty");
  const std::set<std::string> targets(config.target_modules.begin(), config.target_modules.end());
  if (targets.size() != config.target_modules.size())
    out.push_back("target_modules must name each module once, but repeats one");
  if (targets.count("all-linear") != 0 && targets.size() > 1) {
    out.push_back("target_modules must be all-linear alone or a list of names, but mixes both");
  }
  adapter_problems(config, out);
  if (config.lora_alpha <= 0) out.push_back("lora_alpha must be above 0: the adapter would do nothing");
  if (config.max_steps > 0 && config.warmup_steps > config.max_steps) {
    out.push_back(
        cat("warmup_steps must be at most max_steps (", config.max_steps, "), but got ", config.warmup_steps));
  }
  if (config.device == DeviceType::cuda) add_device_problems(kind, config, out);
  if (kind == RunKind::dpo && config.init_lora_weights == "false" && config.reference == ReferencePolicy::start)
    out.push_back("init_lora_weights must not be false in DPO with reference start: the policy would start elsewhere");
  if (config.packing_strategy != PackingStrategy::bfd && !config.packing)
    out.push_back("packing must be on for a packing_strategy, but is off");
  if (config.packing_strategy != PackingStrategy::bfd && config.long_rows != LongRows::cut)
    out.push_back("long_rows must be cut (the default) where packing_strategy splits rows");
  const bool by_micro_batch = kind == RunKind::kto || kind == RunKind::bco ||
                              std::any_of(config.loss_type.begin(), config.loss_type.end(),
                                          [](const std::string& type) { return type.starts_with("aot"); });
  if (config.packing && by_micro_batch)
    out.push_back("packing must be off for kto, bco and aot: their loss depends on which rows share a micro-batch");
  kind_problems(kind, config, out);
  list_problems(config, out);
  evaluation_problems(config, out);
  return out;
}

std::string config_help_of(RunKind kind) {
  const std::string all = config_help(default_config(kind));
  std::string out;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = all.find('\n', begin) + 1;
    const std::string line = all.substr(begin, end - begin);
    const size_t name = line.find_first_not_of(' ');
    if (belongs(kind, std::string_view(line).substr(name, line.find(' ', name) - name))) out += line;
    begin = end;
  }
  return out;
}

void validate(RunKind kind, const RunConfig& config) {
  const auto found = problems(kind, config);
  if (found.empty()) return;
  std::string list;
  for (const auto& problem : found)
    list += cat(list.empty() ? "" : "; ", problem);
  throw UsageError(cat("[config] must be a config that can run, but got ", found.size(),
                       found.size() == 1 ? " problem: " : " problems: ", list, "."));
}

}  // namespace afina::finetune
