// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "model/config.h"
#include "model/families.h"
#include "model/json_fields.h"

namespace afina::model {
namespace {

const Family& find_family(const JsonFields& fields, const std::string& where) {
  const Json& json = fields.json();
  const std::string type = fields.text_or("model_type", "");
  std::string architecture;
  if (fields.has("architectures") && json["architectures"].is_array() && !json["architectures"].empty() &&
      json["architectures"][0].is_string())
    architecture = json["architectures"][0].get<std::string>();
  for (const Family& family : families()) {
    const bool named = architecture.empty() ? type == family.model_type : architecture == family.architecture;
    if (!named) continue;
    if (!type.empty() && type != family.model_type)
      fields.fail("model_type", cat("be ", family.model_type, " for the architecture ", family.architecture), type);
    return family;
  }
  throw ModelError(cat("[", where, "] architecture must be one of: ", joined(supported_architectures()), "; but got '",
                       (architecture.empty() ? type : architecture).substr(0, 200), "'."));
}

/// The one object of rotary parameters; null where there is none. transformers 5 takes rope_scaling before
/// rope_parameters, and lets configs nest the latter by layer type.
const Json* rope_object(const JsonFields& fields) {
  const Json& json = fields.json();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!fields.has(key)) continue;
    const Json& rope = json[key];
    if (!rope.is_object()) fields.fail(key, "be an object", dump_json(rope));
    if (rope.empty()) continue;
    const Json* nested = nullptr;
    for (const auto& item : rope.items()) {
      if (!item.value().is_object()) continue;
      if (nested != nullptr && *nested != item.value())
        fields.fail(key, "be the same for every layer type", "different ones");
      nested = &item.value();
    }
    return nested != nullptr ? nested : &rope;
  }
  return nullptr;
}

void read_rope(const JsonFields& fields, const std::string& where, const Family& family, ModelConfig& config) {
  const Json none = Json::object();
  const Json* object = rope_object(fields);
  const JsonFields rope(object != nullptr ? *object : none, where);
  config.rope_theta = rope.number_or("rope_theta", fields.number_or("rope_theta", family.rope_theta));
  RopeScaling& s = config.rope_scaling;
  s.type = rope.text_or("rope_type", rope.text_or("type", "default"));
  for (const JsonFields* at : {&fields, &rope})
    if (const double factor = at->number_or("partial_rotary_factor", 1.0); factor != 1.0)
      at->fail("partial_rotary_factor", "be 1", cat(factor));
  if (s.type == "linear" || s.type == "llama3") s.factor = rope.number("factor");
  if (s.type != "llama3") return;
  s.low_freq_factor = rope.number("low_freq_factor");
  s.high_freq_factor = rope.number("high_freq_factor");
  s.original_max_positions = fields.integer_or(
      "original_max_position_embeddings", rope.integer_or("original_max_position_embeddings", config.max_positions));
}

int token_id(const JsonFields& fields, const char* key, int64_t id) {
  if (id > INT32_MAX) fields.fail(key, "be token ids", cat(id));
  return id < 0 ? -1 : static_cast<int>(id);
}

void read_ids(const JsonFields& fields, const Family& family, ModelConfig& config) {
  const auto absent = [&](const char* key) { return !fields.has(key) && !fields.is_null(key); };
  config.bos_id =
      absent("bos_token_id") ? family.bos_id : token_id(fields, "bos_token_id", fields.integer_or("bos_token_id", -1));
  if (absent("eos_token_id") && family.eos_id >= 0) config.eos_ids = {family.eos_id};
  for (const int64_t id : fields.integers("eos_token_id"))
    if (const int eos = token_id(fields, "eos_token_id", id); eos >= 0) config.eos_ids.push_back(eos);
}

void read_rotary_layers(const JsonFields& fields, ModelConfig& config) {
  const auto layers = static_cast<size_t>(config.layers);
  config.rotary.assign(layers, 1);
  if (fields.has("no_rope_layers")) {
    if (!fields.json()["no_rope_layers"].is_array()) fields.fail("no_rope_layers", "be a list", "something else");
    const auto flags = fields.integers("no_rope_layers");
    if (flags.size() < layers) fields.fail("no_rope_layers", "have an entry a layer", cat(flags.size(), " entries"));
    for (size_t l = 0; l < layers; ++l) {
      if (flags[l] != 0 && flags[l] != 1) fields.fail("no_rope_layers", "hold 0 and 1", cat(flags[l]));
      config.rotary[l] = static_cast<uint8_t>(flags[l]);
    }
    return;
  }
  const int64_t interval = fields.integer_or("no_rope_layer_interval", 4);
  if (interval < 1) fields.fail("no_rope_layer_interval", "be 1 or more", cat(interval));
  for (int64_t l = 0; l < config.layers; ++l)
    config.rotary[static_cast<size_t>(l)] = (l + 1) % interval != 0 ? 1 : 0;
}

/// Does any layer look through the window? Only for families with use_sliding_window.
bool any_layer_slides(const JsonFields& fields, const Family& family, const ModelConfig& config) {
  if (!fields.has("layer_types")) {
    if (family.no_rope_layers) return std::find(config.rotary.begin(), config.rotary.end(), 0) != config.rotary.end();
    return fields.integer_or("max_window_layers", 28) < config.layers;
  }
  const Json& types = fields.json()["layer_types"];
  return types.is_array() && std::find(types.begin(), types.end(), Json("sliding_attention")) != types.end();
}

void read_window(const JsonFields& fields, const Family& family, ModelConfig& config) {
  if (family.window == Window::never) return;
  if (family.window == Window::optional && fields.has("layer_types")) {
    const Json& types = fields.json()["layer_types"];
    if (!types.is_array()) fields.fail("layer_types", "be a list", dump_json(types));
    for (const Json& type : types)
      if (type != "full_attention" && type != "sliding_attention")
        fields.fail("layer_types", "hold full_attention and sliding_attention", dump_json(type));
  }
  const bool absent = !fields.has("sliding_window") && !fields.is_null("sliding_window");
  const int64_t window = fields.integer_or("sliding_window", absent ? family.window_tokens : 0);
  if (fields.has("sliding_window") && window < 1) fields.fail("sliding_window", "be null or 1 or more", cat(window));
  if (family.window == Window::optional &&
      (!fields.boolean_or("use_sliding_window", false) || !any_layer_slides(fields, family, config)))
    return;
  config.sliding_window = window;
}

Quantization read_quantization(const JsonFields& fields, const std::string& where) {
  if (!fields.has("quantization_config")) return Quantization::none;
  const Json& json = fields.json()["quantization_config"];
  if (!json.is_object()) fields.fail("quantization_config", "be an object", dump_json(json));
  const JsonFields q(json, cat(where, ", quantization_config"));
  const bool eight = q.boolean_or("load_in_8bit", q.boolean_or("_load_in_8bit", false));
  const bool four = q.boolean_or("load_in_4bit", q.boolean_or("_load_in_4bit", false));
  const std::string method = q.text_or("quant_method", four || eight ? "bitsandbytes" : "");
  const char* only = "be bitsandbytes with load_in_4bit and nf4";
  if (method != "bitsandbytes") q.fail("quant_method", only, cat("'", method, "'"));
  if (eight || !four) q.fail("quant_method", only, eight ? "load_in_8bit (int8)" : "no load_in_4bit");
  if (const std::string type = q.text_or("bnb_4bit_quant_type", "fp4"); type != "nf4")
    q.fail("bnb_4bit_quant_type", "be nf4", cat("'", type, "'"));
  if (const std::string storage = q.text_or("bnb_4bit_quant_storage", "uint8"); storage != "uint8")
    q.fail("bnb_4bit_quant_storage", "be uint8", cat("'", storage, "'"));
  return Quantization::nf4;
}

}  // namespace

ModelConfig config_from_hf(const Json& json, const std::string& where) {
  if (!json.is_object()) throw ModelError(cat("[", where, "] must be a JSON object, but is not."));
  const JsonFields fields(json, where);
  const Family& family = find_family(fields, where);
  ModelConfig c;
  c.architecture = family.architecture;
  c.gguf_architecture = family.gguf_architecture;
  c.vocab_size = fields.integer("vocab_size");
  c.hidden = fields.integer("hidden_size");
  c.ffn = fields.integer("intermediate_size");
  c.layers = fields.integer("num_hidden_layers");
  c.heads = fields.integer("num_attention_heads");
  const bool own_groups = family.kv_heads > 0 && !fields.is_null("num_key_value_heads");
  c.kv_heads = fields.integer_or("num_key_value_heads", own_groups ? family.kv_heads : c.heads);
  const bool own_head_dim = family.head_dim > 0 && !fields.is_null("head_dim");
  c.head_dim = fields.integer_or("head_dim", own_head_dim ? family.head_dim : c.heads > 0 ? c.hidden / c.heads : 0);
  c.max_positions = fields.integer_or("max_position_embeddings", family.max_positions);
  c.rms_eps = fields.number_or("rms_norm_eps", 1e-6);
  c.tied_head = fields.boolean_or("tie_word_embeddings", family.tied_head);
  const bool biased = family.attention_bias_key && fields.boolean_or("attention_bias", false);
  c.qkv_bias = biased || family.qkv_bias;
  c.o_bias = biased;
  c.mlp_bias = family.mlp_bias_key && fields.boolean_or("mlp_bias", false);
  c.qk_norm = family.qk_norm;
  if (const std::string act = fields.text_or("hidden_act", "silu"); act != "silu" && act != "swish")
    fields.fail("hidden_act", "be silu", cat("'", act, "'"));
  c.quantization = read_quantization(fields, where);
  read_rope(fields, where, family, c);
  validate(c, where);  // before anything is sized by the number of layers
  if (family.no_rope_layers) read_rotary_layers(fields, c);
  read_window(fields, family, c);
  read_ids(fields, family, c);
  return c;
}

}  // namespace afina::model
