// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "formats/gguf.h"
#include "model/config.h"

namespace afina::model {
namespace {

/// Typed look-ups in one JSON object; `where` names the file.
class Fields {
 public:
  Fields(const Json& json, const std::string& where) : json_(json), where_(where) {}

  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  int64_t integer(const char* key) const {
    if (!has(key)) fail(key, "be there", "it is missing");
    return integer_or(key, 0);
  }
  int64_t integer_or(const char* key, int64_t otherwise) const {
    if (!has(key)) return otherwise;
    const Json& value = json_[key];
    const bool fits = value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
    if (!fits) fail(key, "be a whole number", dump_json(value));
    return value.get<int64_t>();
  }
  double number_or(const char* key, double otherwise) const {
    if (!has(key)) return otherwise;
    if (!json_[key].is_number()) fail(key, "be a number", dump_json(json_[key]));
    return json_[key].get<double>();
  }
  bool boolean_or(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!json_[key].is_boolean()) fail(key, "be true or false", dump_json(json_[key]));
    return json_[key].get<bool>();
  }
  std::string text_or(const char* key, const std::string& otherwise) const {
    if (!has(key)) return otherwise;
    if (!json_[key].is_string()) fail(key, "be a string", dump_json(json_[key]));
    return json_[key].get<std::string>();
  }
  [[noreturn]] void fail(const char* key, const char* what, const std::string& got) const {
    throw ModelError(cat("[", where_, "] ", key, " must ", what, ", but got ", got.substr(0, 200), "."));
  }

 private:
  const Json& json_;
  const std::string& where_;
};

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names)
    out += (out.empty() ? "" : ", ") + name;
  return out;
}

void check_architecture(const Json& json, const Fields& fields, const std::string& where) {
  std::string got = fields.text_or("model_type", "");
  if (fields.has("architectures") && json["architectures"].is_array() && !json["architectures"].empty() &&
      json["architectures"][0].is_string())
    got = json["architectures"][0].get<std::string>();
  for (const auto& name : supported_architectures())
    if (got == name || (got == "llama" && name == "LlamaForCausalLM")) return;
  throw ModelError(
      cat("[", where, "] architecture must be one of: ", joined(supported_architectures()), "; but got '", got, "'."));
}

void read_rope(const Json& json, const Fields& fields, const std::string& where, ModelConfig& config) {
  config.rope_theta = fields.number_or("rope_theta", 10000.0);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!fields.has(key)) continue;
    if (!json[key].is_object()) fields.fail(key, "be an object", dump_json(json[key]));
    const Fields rope(json[key], where);
    RopeScaling& s = config.rope_scaling;
    config.rope_theta = rope.number_or("rope_theta", config.rope_theta);
    s.type = rope.text_or("rope_type", rope.text_or("type", "default"));
    s.factor = rope.number_or("factor", s.factor);
    s.low_freq_factor = rope.number_or("low_freq_factor", s.low_freq_factor);
    s.high_freq_factor = rope.number_or("high_freq_factor", s.high_freq_factor);
    s.original_max_positions = rope.integer_or("original_max_position_embeddings", s.original_max_positions);
  }
  if (fields.number_or("partial_rotary_factor", 1.0) != 1.0)
    fields.fail("partial_rotary_factor", "be 1", "another value");
}

void read_ids(const Json& json, const Fields& fields, ModelConfig& config) {
  config.bos_id = static_cast<int>(fields.has("bos_token_id") ? fields.integer("bos_token_id") : -1);
  if (!fields.has("eos_token_id")) return;
  const Json& eos = json["eos_token_id"];
  if (!eos.is_array()) {
    config.eos_ids = {static_cast<int>(fields.integer("eos_token_id"))};
    return;
  }
  for (const Json& id : eos) {
    if (!id.is_number_integer()) fields.fail("eos_token_id", "be whole numbers", dump_json(eos));
    config.eos_ids.push_back(id.get<int>());
  }
}

}  // namespace

ModelConfig config_from_hf(const Json& json, const std::string& where) {
  if (!json.is_object()) throw ModelError(cat("[", where, "] must be a JSON object, but is not."));
  const Fields fields(json, where);
  check_architecture(json, fields, where);
  ModelConfig c;
  c.vocab_size = fields.integer("vocab_size");
  c.hidden = fields.integer("hidden_size");
  c.ffn = fields.integer("intermediate_size");
  c.layers = fields.integer("num_hidden_layers");
  c.heads = fields.integer("num_attention_heads");
  c.kv_heads = fields.integer_or("num_key_value_heads", c.heads);
  c.head_dim = fields.integer_or("head_dim", c.heads > 0 ? c.hidden / c.heads : 0);
  c.max_positions = fields.integer_or("max_position_embeddings", 2048);
  c.rms_eps = fields.number_or("rms_norm_eps", 1e-6);
  c.tied_head = fields.boolean_or("tie_word_embeddings", false);
  c.qkv_bias = fields.boolean_or("attention_bias", false) || fields.boolean_or("mlp_bias", false);
  read_rope(json, fields, where, c);
  read_ids(json, fields, c);
  if (const std::string act = fields.text_or("hidden_act", "silu"); act != "silu")
    fields.fail("hidden_act", "be silu", act);
  if (fields.has("quantization_config"))
    fields.fail("quantization_config", "be absent (weights in F32, F16 or BF16)", "one");
  validate(c, where);
  return c;
}

ModelConfig config_from_gguf(const formats::GgufFile& file, const std::string& where) {
  if (const auto type = file.find_string("general.type"); type && *type != "model")
    throw ModelError(cat("[", where, "] general.type must be 'model', but got '", *type, "'."));
  if (const auto arch = file.string("general.architecture"); arch != "llama")
    throw ModelError(cat("[", where, "] general.architecture must be one of: llama; but got '", arch, "'."));
  if (file.find_integer("llama.expert_count").value_or(0) > 0)
    throw ModelError(cat("[", where, "] llama.expert_count must be 0: mixtures of experts are not supported, but got ",
                         file.integer("llama.expert_count"), "."));
  ModelConfig c;
  c.hidden = file.integer("llama.embedding_length");
  c.ffn = file.integer("llama.feed_forward_length");
  c.layers = file.integer("llama.block_count");
  c.heads = file.integer("llama.attention.head_count");
  c.kv_heads = file.find_integer("llama.attention.head_count_kv").value_or(c.heads);
  c.head_dim = file.find_integer("llama.attention.key_length").value_or(c.heads > 0 ? c.hidden / c.heads : 0);
  c.max_positions = file.integer("llama.context_length");
  c.rms_eps = file.number("llama.attention.layer_norm_rms_epsilon");
  c.rope_theta = file.find_number("llama.rope.freq_base").value_or(10000.0);
  const formats::GgufTensor& embedding = file.at("token_embd.weight");
  c.vocab_size = file.find_integer("llama.vocab_size").value_or(embedding.shape.empty() ? 0 : embedding.shape.front());
  c.tied_head = file.find("output.weight") == nullptr;
  const int64_t rotated = file.find_integer("llama.rope.dimension_count").value_or(c.head_dim);
  const int64_t value_length = file.find_integer("llama.attention.value_length").value_or(c.head_dim);
  if (rotated != c.head_dim || value_length != c.head_dim)
    throw ModelError(cat("[", where, "] llama.rope.dimension_count and value_length must equal the head size ",
                         c.head_dim, ", but got ", rotated, " and ", value_length, "."));
  if (const auto scaling = file.find_string("llama.rope.scaling.type"); scaling && *scaling != "none")
    throw ModelError(cat("[", where, "] llama.rope.scaling.type must be none, but got '", *scaling, "'."));
  if (const auto* divisors = file.find("rope_freqs.weight"); divisors != nullptr) {
    if (divisors->elements() > 1024)
      throw ModelError(
          cat("[", where, "] rope_freqs.weight must have at most 1024 values, but has ", divisors->elements(), "."));
    c.rope_divisors.resize(static_cast<size_t>(divisors->elements()));
    formats::dequantize(*divisors, c.rope_divisors);
  }
  for (const auto& tensor : file.tensors())
    if (tensor.name.ends_with(".bias")) c.qkv_bias = true;
  c.bos_id = static_cast<int>(file.find_integer("tokenizer.ggml.bos_token_id").value_or(-1));
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
    if (const auto id = file.find_integer(key)) c.eos_ids.push_back(static_cast<int>(*id));
  validate(c, where);
  return c;
}

}  // namespace afina::model
