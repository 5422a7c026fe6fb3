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

/// The peers' spellings: target_modules and loss_type as one word or a list, init_lora_weights as a word or true,
/// patterns and lr_scheduler_kwargs as an object, layers and loss_weights as numbers.
void accept_peer_spellings(Json& object) {
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
    const bool is_pattern = key == "rank_pattern" || key == "alpha_pattern" || key == "learning_rate_pattern" ||
                            key == "lr_scheduler_kwargs";
    if (key == "loss_type" && value.is_string()) value = Json::array({value});
    if (key == "loss_weights" && value.is_array()) {
      for (auto& item : value)
        item = text(item);
    }
    if (is_pattern && value.is_object()) {
      Json list = Json::array();
      for (const auto& [name, number] : value.items())
        list.push_back(cat(name, "=", text(number)));
      value = list;
    }
  }
}

/// Left out of the hash where they have their default, so that runs of before they were there can be resumed.
const std::set<std::string>& keys_added_later() {
  static const std::set<std::string> keys = {"device",
                                             "use_rslora",
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
                                             "keep_transposed_weights",
                                             "precompute_ref_log_probs",
                                             "tokenized_cache"};
  return keys;
}

}  // namespace

RunConfig default_config(RunKind kind) {
  RunConfig config;
  if (kind != RunKind::sft) {
    config.learning_rate = kind == RunKind::reward ? 1e-4 : 1e-5;
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
    if (object.is_object()) accept_peer_spellings(object);
    read_config(config, object, file.string());
  }
  for (const auto& assignment : assignments)
    set_field_from_text(config, assignment, "--set");
  return config;
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
