// SPDX-License-Identifier: Apache-2.0
#include "lora/config/peft_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

namespace afina::lora {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr const char* kPeftVersion = "0.21.2";

/// Keys that carry nothing a run of the adapter needs, whatever their value.
constexpr std::array kIgnored{"auto_mapping",  "inference_mode",    "megatron_config", "megatron_core",
                              "peft_version",  "qalora_group_size", "eva_config",      "runtime_config",
                              "loftq_config",  "corda_config",      "lora_ga_config",  "arrow_config",
                              "velora_config", "monteclora_config", "task_type",       "peft_type"};
/// Keys that change what the adapter computes: refused unless they are off.
constexpr std::array kRefused{"fan_in_fan_out",    "trainable_token_indices", "layer_replication", "use_qalora",
                              "target_parameters", "alora_invocation_tokens", "use_bdlora",        "kasa_config"};
constexpr std::array kRead{"r",
                           "lora_alpha",
                           "lora_dropout",
                           "target_modules",
                           "exclude_modules",
                           "bias",
                           "use_rslora",
                           "use_dora",
                           "lora_bias",
                           "modules_to_save",
                           "init_lora_weights",
                           "layers_to_transform",
                           "layers_pattern",
                           "rank_pattern",
                           "alpha_pattern",
                           "ensure_weight_tying",
                           "base_model_name_or_path",
                           "revision"};

class Reader {
 public:
  Reader(const OrderedJson& json, const std::string& where) : json_(json), where_(where) {}

  [[noreturn]] void refuse(const std::string& key, const std::string& must, const std::string& hint = "") const {
    throw ModelError(cat("[lora.peft] ", where_, " must ", must, ", but sets ", key, " to ",
                         dump_json(value(key)).substr(0, 120), "."),
                     hint);
  }

  const OrderedJson& value(const std::string& key) const {
    static const OrderedJson null;
    const auto found = json_.find(key);
    return found == json_.end() ? null : *found;
  }

  bool is_set(const std::string& key) const {
    const auto& v = value(key);
    return !v.is_null() && v != OrderedJson(false) && !(v.is_structured() && v.empty());
  }

  int integer(const OrderedJson& v, const std::string& key) const {
    const bool whole = v.is_number_integer() && (!v.is_number_unsigned() || v.get<uint64_t>() < (1ULL << 40));
    if (!whole || std::abs(v.get<int64_t>()) > std::numeric_limits<int>::max())
      refuse(key, cat("have a whole number as ", key));
    return v.get<int>();
  }
  int integer(const std::string& key, int fallback) const {
    return value(key).is_null() ? fallback : integer(value(key), key);
  }

  double number(const OrderedJson& v, const std::string& key) const {
    if (!v.is_number()) refuse(key, cat("have a number as ", key));
    return v.get<double>();
  }
  double number(const std::string& key, double fallback) const {
    return value(key).is_null() ? fallback : number(value(key), key);
  }

  bool boolean(const std::string& key) const {
    if (value(key).is_null()) return false;
    if (!value(key).is_boolean()) refuse(key, cat("have true or false as ", key));
    return value(key).get<bool>();
  }

  std::string text(const std::string& key) const {
    if (value(key).is_null()) return "";
    if (!value(key).is_string()) refuse(key, cat("have a text as ", key));
    return value(key).get<std::string>();
  }

  std::vector<std::string> names(const std::string& key) const {
    if (value(key).is_null()) return {};
    if (value(key).is_string()) return {text(key)};
    if (!value(key).is_array()) refuse(key, cat("have a list of names as ", key));
    std::vector<std::string> out;
    for (const auto& item : value(key)) {
      if (!item.is_string() || item.get<std::string>().empty()) refuse(key, cat("have a list of names as ", key));
      out.push_back(item.get<std::string>());
    }
    return out;
  }

  /// A list of names, or one text that is a regular expression.
  void names_or_regex(const std::string& key, std::vector<std::string>& names_out, std::string& regex_out) const {
    if (value(key).is_string()) {
      regex_out = text(key);
      if (regex_out.empty()) refuse(key, cat("have names or a regex as ", key));
    } else {
      names_out = names(key);
    }
  }

  std::vector<int> integers(const std::string& key) const {
    if (value(key).is_null()) return {};
    if (!value(key).is_array()) return {integer(key, 0)};
    std::vector<int> out;
    for (const auto& item : value(key))
      out.push_back(integer(item, key));
    return out;
  }

  const OrderedJson& object(const std::string& key) const {
    if (!value(key).is_null() && !value(key).is_object()) refuse(key, cat("have an object as ", key));
    return value(key);
  }

 private:
  const OrderedJson& json_;
  const std::string& where_;
};

void check_method(const Reader& read) {
  if (read.value("peft_type") != OrderedJson("LORA"))
    read.refuse("peft_type", "have peft_type LORA (of the other methods, VERA, IA3, LOHA, LOKR, OFT … none is run)",
                "merge that adapter into its base with PEFT");
  const auto& task = read.value("task_type");
  if (!task.is_null() && task != OrderedJson("CAUSAL_LM") && task != OrderedJson("SEQ_CLS"))
    read.refuse("task_type", "be for CAUSAL_LM, or SEQ_CLS with one score");
  for (const char* key : kRefused)
    if (read.is_set(key))
      read.refuse(key, cat("leave ", key, " off"),
                  "merge this adapter into its base with PEFT, or train one without it");
  const auto& bias = read.value("bias");
  if (!bias.is_null() && bias != OrderedJson("none"))
    read.refuse("bias", "have bias none", "merge this adapter into its base with PEFT");
}

void read_init(const Reader& read, LoraConfig& out) {
  const auto& init = read.value("init_lora_weights");
  if (init.is_null() || init == OrderedJson(true)) return;
  if (init == OrderedJson(false)) {
    out.init_lora_weights = LoraInit::random;
    return;
  }
  const std::string word = init.is_string() ? init.get<std::string>() : "";
  if (word == "gaussian") {
    out.init_lora_weights = LoraInit::gaussian;
  } else if (word == "pissa") {
    out.init_lora_weights = LoraInit::pissa;
  } else if (word != "eva" && word != "orthogonal") {
    // eva and orthogonal choose A and B only; these changed the base when training began.
    const bool rebased =
        word.starts_with("pissa_niter_") || word == "olora" || word == "corda" || word == "loftq" || word == "lora_ga";
    read.refuse("init_lora_weights", rebased ? "be relative to the unchanged base" : "have a known init_lora_weights",
                rebased ? "save it with PEFT's path_initial_model_for_weight_conversion" : "");
  }
}

/// PEFT adds both names to every SEQ_CLS adapter; of the Llama family only `score` exists.
void read_score_head(const Reader& read, LoraConfig& out) {
  if (read.value("task_type") != OrderedJson("SEQ_CLS")) return;
  out.score_head = true;
  std::erase_if(out.modules_to_save, [](const std::string& name) { return name == "score" || name == "classifier"; });
}

void read_patterns(const Reader& read, LoraConfig& out) {
  if (read.object("rank_pattern").is_object())
    for (const auto& [key, value] : read.value("rank_pattern").items())
      out.rank_pattern.emplace_back(key, read.integer(value, "rank_pattern"));
  if (read.object("alpha_pattern").is_object())
    for (const auto& [key, value] : read.value("alpha_pattern").items())
      out.alpha_pattern.emplace_back(key, read.number(value, "alpha_pattern"));
}

void warn_of_unknown_keys(const OrderedJson& json, const std::string& where) {
  const auto in = [](const auto& list, const std::string& key) {
    return std::find(list.begin(), list.end(), key) != list.end();
  };
  for (const auto& [key, value] : json.items())
    if (!in(kIgnored, key) && !in(kRefused, key) && !in(kRead, key))
      log_warning("lora.peft", where, ": the key '", key, "' is not known and is ignored");
}

Json names_json(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names.empty() ? Json() : Json(names);
}

Json init_json(const LoraConfig& config) {
  switch (config.init_lora_weights) {
    case LoraInit::gaussian:
      return "gaussian";
    case LoraInit::random:
      return false;
    case LoraInit::pissa:
      return config.pissa_iterations > 0 ? cat("pissa_niter_", config.pissa_iterations) : std::string("pissa");
    default:
      return true;
  }
}

Json number_json(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<int64_t>(value);
  return value;
}

}  // namespace

PeftConfig parse_peft_config(std::string_view text, const std::string& where) {
  OrderedJson json;
  try {
    json = parse_ordered_json(text, where);
  } catch (const DataError& error) {
    throw ModelError(error.what());
  }
  if (!json.is_object())
    throw ModelError(cat("[lora.peft] ", where, " must be a JSON object, but got ", json.type_name(), "."));
  const Reader read(json, where);
  check_method(read);
  PeftConfig out;
  LoraConfig& lora = out.lora;
  lora.r = read.integer("r", 8);
  lora.lora_alpha = read.number("lora_alpha", 8);
  lora.lora_dropout = read.number("lora_dropout", 0);
  lora.use_rslora = read.boolean("use_rslora");
  lora.use_dora = read.boolean("use_dora");
  lora.lora_bias = read.boolean("lora_bias");
  lora.ensure_weight_tying = read.boolean("ensure_weight_tying");
  read.names_or_regex("target_modules", lora.target_modules, lora.target_regex);
  // What PEFT takes for the Llama family where nothing is named.
  if (read.value("target_modules").is_null()) lora.target_modules = {"q_proj", "v_proj"};
  read.names_or_regex("exclude_modules", lora.exclude_modules, lora.exclude_regex);
  lora.modules_to_save = read.names("modules_to_save");
  read_score_head(read, lora);
  lora.layers_to_transform = read.integers("layers_to_transform");
  lora.layers_pattern = read.names("layers_pattern");
  read_patterns(read, lora);
  read_init(read, lora);
  out.base_model = read.text("base_model_name_or_path");
  out.revision = read.text("revision");
  try {
    validate(lora);
  } catch (const UsageError& error) {
    throw ModelError(cat("[lora.peft] ", where, " must hold a config that can be run, but: ", error.what()));
  }
  warn_of_unknown_keys(json, where);
  return out;
}

fs::path peft_folder(const fs::path& folder) {
  std::error_code code;
  if (!fs::is_directory(folder, code) || fs::exists(folder / "adapter_config.json", code)) return folder;
  std::vector<fs::path> named;
  for (const auto& entry : fs::directory_iterator(folder, code))
    if (entry.is_directory(code) && fs::exists(entry.path() / "adapter_config.json", code))
      named.push_back(entry.path());
  return named.size() == 1 ? named[0] : folder;
}

PeftConfig read_peft_config_file(const fs::path& folder) {
  const fs::path file = peft_folder(folder) / "adapter_config.json";
  return parse_peft_config(read_file(file, kMaxConfigBytes), file.string());
}

std::string peft_config_text(const PeftConfig& config) {
  const LoraConfig& lora = config.lora;
  const auto names_or_regex = [](const std::vector<std::string>& names, const std::string& regex) {
    return regex.empty() ? names_json(names) : Json(regex);
  };
  Json ranks = Json::object(), alphas = Json::object();
  for (const auto& [key, r] : lora.rank_pattern)
    ranks[key] = r;
  for (const auto& [key, alpha] : lora.alpha_pattern)
    alphas[key] = number_json(alpha);
  const Json layers = lora.layers_to_transform.empty() ? Json() : Json(lora.layers_to_transform);
  std::vector<std::string> saved = lora.modules_to_save;
  if (lora.score_head) saved.emplace_back("score");
  Json json = {{"peft_type", "LORA"},
               {"peft_version", kPeftVersion},
               {"task_type", lora.score_head ? "SEQ_CLS" : "CAUSAL_LM"},
               {"base_model_name_or_path", config.base_model.empty() ? Json() : Json(config.base_model)},
               {"revision", config.revision.empty() ? Json() : Json(config.revision)},
               {"inference_mode", true},
               {"auto_mapping", nullptr},
               {"r", lora.r},
               {"lora_alpha", number_json(lora.lora_alpha)},
               {"lora_dropout", lora.lora_dropout},
               {"target_modules", lora.target_regex.empty() && lora.target_modules.empty()
                                      ? Json::array()
                                      : names_or_regex(lora.target_modules, lora.target_regex)},
               {"exclude_modules", names_or_regex(lora.exclude_modules, lora.exclude_regex)},
               {"bias", "none"},
               {"fan_in_fan_out", false},
               {"use_rslora", lora.use_rslora},
               {"use_dora", lora.use_dora},
               {"modules_to_save", names_json(saved)},
               {"init_lora_weights", init_json(lora)},
               {"layers_to_transform", layers},
               {"layers_pattern", names_json(lora.layers_pattern)},
               {"rank_pattern", ranks},
               {"alpha_pattern", alphas},
               {"lora_bias", lora.lora_bias}};
  if (lora.ensure_weight_tying) json["ensure_weight_tying"] = true;
  return dump_json(json, 2) + "\n";
}

}  // namespace afina::lora
