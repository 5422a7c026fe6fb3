// SPDX-License-Identifier: Apache-2.0
#include "finetune/config/run_config.h"

#include <array>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/hash.h"

namespace afina::finetune {
namespace {

constexpr size_t kMaxConfigBytes = 1 << 20;

/// PEFT's spellings: target_modules as one word or a list, init_lora_weights as a word or true, patterns as an object,
/// layers as numbers.
void accept_peft_spellings(Json& object) {
  const auto text = [](const Json& value) { return value.is_string() ? value.get<std::string>() : dump_json(value); };
  for (auto& [key, value] : object.items()) {
    if (key == "target_modules" && value.is_string()) value = Json::array({value});
    if (key == "init_lora_weights" && value.is_boolean()) value = text(value);
    if (key == "layers_to_transform" && (value.is_array() || value.is_number_integer())) {
      Json list = Json::array();
      for (const auto& item : value.is_array() ? value : Json::array({value}))
        list.push_back(text(item));
      value = list;
    }
    if ((key == "rank_pattern" || key == "alpha_pattern") && value.is_object()) {
      Json list = Json::array();
      for (const auto& [name, number] : value.items())
        list.push_back(cat(name, "=", text(number)));
      value = list;
    }
  }
}

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

/// Left out of the hash where they have their default, so that runs of before they were there can be resumed.
const std::set<std::string>& keys_added_later() {
  static const std::set<std::string> keys = {"use_rslora",
                                             "use_dora",
                                             "lora_bias",
                                             "init_lora_weights",
                                             "layers_to_transform",
                                             "rank_pattern",
                                             "alpha_pattern",
                                             "load_in_4bit",
                                             "bnb_4bit_use_double_quant",
                                             "lr_scheduler_kwargs",
                                             "optim",
                                             "momentum",
                                             "loraplus_lr_ratio",
                                             "learning_rate_pattern",
                                             "long_rows",
                                             "assistant_only_loss",
                                             "completion_only_loss",
                                             "neftune_noise_alpha",
                                             "loss_type",
                                             "loss_weights",
                                             "label_smoothing",
                                             "ld_alpha",
                                             "f_divergence_type",
                                             "f_alpha_divergence_coef",
                                             "use_weighting",
                                             "discopop_tau",
                                             "tie_parameter",
                                             "desirable_weight",
                                             "undesirable_weight",
                                             "cpo_alpha",
                                             "simpo_gamma",
                                             "nll_on_prompt",
                                             "center_rewards_coefficient",
                                             "packing_strategy"};
  return keys;
}

const std::set<std::string>& keys_without_numbers() {
  static const std::set<std::string> keys = {"logging_steps",
                                             "save_steps",
                                             "eval_steps",
                                             "save_total_limit",
                                             "early_stopping_patience",
                                             "early_stopping_threshold",
                                             "load_best_model_at_end",
                                             "metric_for_best_model",
                                             "recompute",
                                             "max_memory_gb",
                                             "tokenized_cache"};
  return keys;
}

}  // namespace

RunConfig default_config(RunKind kind) {
  RunConfig config;
  if (kind == RunKind::dpo) {
    config.learning_rate = 1e-5;
    config.loss_sum = LossSum::float64;
  }
  return config;
}

RunConfig read_run_config(RunKind kind, const std::filesystem::path& file,
                          const std::vector<std::string>& assignments) {
  RunConfig config = default_config(kind);
  if (!file.empty()) {
    JsonLimits limits;
    limits.max_depth = 8;
    limits.allow_comments = true;
    Json object = parse_json(read_file(file, kMaxConfigBytes), file.string(), limits);
    if (object.is_object()) accept_peft_spellings(object);
    read_config(config, object, file.string());
  }
  for (const auto& assignment : assignments)
    set_field_from_text(config, assignment, "--set");
  return config;
}

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
  if (kind == RunKind::dpo && config.init_lora_weights == "false" && config.reference == ReferencePolicy::start)
    out.push_back("init_lora_weights must not be false in DPO with reference start: the policy would start elsewhere");
  if (kind == RunKind::sft && config.margin_scale != 0.0) {
    out.push_back("margin_scale must be left out of SFT: it belongs to DPO");
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

std::pair<std::string, double> pattern_entry(const std::string& key, const std::string& entry) {
  const size_t equals = entry.rfind('=');
  const auto refuse = [&] {
    throw UsageError(cat("[config] ", key, " must be entries like q_proj=8, but got '", entry, "'."));
  };
  if (equals == std::string::npos || equals == 0) refuse();
  const Json number = Json::parse(entry.substr(equals + 1), nullptr, false);
  const bool fits = key == "rank_pattern" ? number.is_number_integer() : number.is_number();
  if (!fits || !(number.get<double>() > 0) || number.get<double>() > 1e6) refuse();
  return {entry.substr(0, equals), number.get<double>()};
}

std::string config_hash(RunKind kind, const RunConfig& config) {
  OrderedJson record = OrderedJson::object();
  record["kind"] = std::string(to_string(kind));
  const OrderedJson fields = config_json(config), defaults = config_json(RunConfig{});
  for (const auto& [key, value] : fields.items()) {
    if (keys_without_numbers().count(key) != 0) continue;
    if (keys_added_later().count(key) == 0 || value != defaults[key]) record[key] = value;
  }
  return sha256_hex(dump_json(record));
}

}  // namespace afina::finetune
