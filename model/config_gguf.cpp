// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "base/error.h"
#include "formats/gguf.h"
#include "model/config.h"
#include "model/families.h"

namespace afina::model {
namespace {

/// Metadata under the architecture's own prefix.
class Keys {
 public:
  Keys(const formats::GgufFile& file, std::string where, std::string architecture)
      : file_(file), where_(std::move(where)), prefix_(std::move(architecture) + ".") {}

  int64_t integer(const char* key) const { return file_.integer(prefix_ + key); }
  std::optional<int64_t> find_integer(const char* key) const { return file_.find_integer(prefix_ + key); }
  double number(const char* key) const { return file_.number(prefix_ + key); }
  std::optional<double> find_number(const char* key) const { return file_.find_number(prefix_ + key); }
  std::optional<std::string_view> find_string(const char* key) const { return file_.find_string(prefix_ + key); }
  [[noreturn]] void fail(const char* key, const std::string& what, const std::string& got) const {
    throw ModelError(cat("[", where_, "] ", prefix_, key, " must ", what, ", but got ", got.substr(0, 200), "."));
  }

 private:
  const formats::GgufFile& file_;
  std::string where_, prefix_;
};

const Family& find_family(const formats::GgufFile& file, const std::string& where) {
  if (const auto type = file.find_string("general.type"); type && *type != "model")
    throw ModelError(cat("[", where, "] general.type must be 'model', but got '", type->substr(0, 200), "'."));
  const auto architecture = file.string("general.architecture");
  for (const Family& family : families())
    if (architecture == family.gguf_architecture) return family;
  throw ModelError(cat("[", where, "] general.architecture must be one of: ", joined(supported_gguf_architectures()),
                       "; but got '", architecture.substr(0, 200), "'."));
}

/// llama.cpp computes these differently from our decoder; none of the supported families' converters writes them.
void refuse_foreign(const Keys& keys) {
  if (keys.find_integer("expert_count").value_or(0) > 0)
    keys.fail("expert_count", "be 0 (mixtures of experts are not supported)", cat(*keys.find_integer("expert_count")));
  for (const char* key : {"attention.scale", "attention.clamp_kqv", "attn_logit_softcapping", "final_logit_softcapping",
                          "logit_scale", "embedding_scale", "residual_scale"})
    if (const auto value = keys.find_number(key); value && *value != 0) keys.fail(key, "be absent", cat(*value));
}

void read_rope(const formats::GgufFile& file, const Keys& keys, const std::string& where, ModelConfig& c) {
  c.rope_theta = keys.find_number("rope.freq_base").value_or(10000.0);
  const int64_t rotated = keys.find_integer("rope.dimension_count").value_or(c.head_dim);
  const int64_t value_length = keys.find_integer("attention.value_length").value_or(c.head_dim);
  if (rotated != c.head_dim) keys.fail("rope.dimension_count", cat("equal the head size ", c.head_dim), cat(rotated));
  if (value_length != c.head_dim)
    keys.fail("attention.value_length", cat("equal the head size ", c.head_dim), cat(value_length));
  // llama.cpp scales by the factor wherever the type is linear or missing.
  const std::string type(keys.find_string("rope.scaling.type").value_or("linear"));
  if (type != "none" && type != "linear") keys.fail("rope.scaling.type", "be none or linear", cat("'", type, "'"));
  const double factor =
      keys.find_number("rope.scaling.factor").value_or(keys.find_number("rope.scale_linear").value_or(0));
  if (type == "linear" && factor != 0 && factor != 1) {
    c.rope_scaling.type = "linear";
    c.rope_scaling.factor = factor;
  }
  if (const auto* divisors = file.find("rope_freqs.weight"); divisors != nullptr) {
    if (divisors->elements() > 1024)
      throw ModelError(
          cat("[", where, "] rope_freqs.weight must have at most 1024 values, but has ", divisors->elements(), "."));
    c.rope_divisors.resize(static_cast<size_t>(divisors->elements()));
    formats::dequantize(*divisors, c.rope_divisors);
  }
}

void read_ids(const formats::GgufFile& file, ModelConfig& c) {
  const auto id_of = [&](const char* key) {
    const auto id = file.find_integer(key);
    return id && *id >= 0 && *id <= INT32_MAX ? static_cast<int>(*id) : -1;
  };
  c.bos_id = id_of("tokenizer.ggml.bos_token_id");
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
    if (const int id = id_of(key); id >= 0) c.eos_ids.push_back(id);
}

}  // namespace

ModelConfig config_from_gguf(const formats::GgufFile& file, const std::string& where) {
  const Family& family = find_family(file, where);
  const Keys keys(file, where, family.gguf_architecture);
  refuse_foreign(keys);
  ModelConfig c;
  c.architecture = family.architecture;
  c.gguf_architecture = family.gguf_architecture;
  c.hidden = keys.integer("embedding_length");
  c.ffn = keys.integer("feed_forward_length");
  c.layers = keys.integer("block_count");
  c.heads = keys.integer("attention.head_count");
  c.kv_heads = keys.find_integer("attention.head_count_kv").value_or(c.heads);
  c.head_dim = keys.find_integer("attention.key_length").value_or(c.heads > 0 ? c.hidden / c.heads : 0);
  c.max_positions = keys.integer("context_length");
  c.rms_eps = keys.number("attention.layer_norm_rms_epsilon");
  c.sliding_window = std::max<int64_t>(0, keys.find_integer("attention.sliding_window").value_or(0));
  const formats::GgufTensor& embedding = file.at("token_embd.weight");
  c.vocab_size = keys.find_integer("vocab_size").value_or(embedding.shape.empty() ? 0 : embedding.shape.front());
  c.tied_head = file.find("output.weight") == nullptr;
  c.qkv_bias = file.find("blk.0.attn_q.bias") != nullptr;
  c.o_bias = file.find("blk.0.attn_output.bias") != nullptr;
  c.mlp_bias = file.find("blk.0.ffn_gate.bias") != nullptr;
  c.qk_norm = family.qk_norm;
  read_rope(file, keys, where, c);
  read_ids(file, c);
  validate(c, where);
  if (family.no_rope_layers)  // llama.cpp knows no key for it: every fourth layer
    for (int64_t l = 0; l < c.layers; ++l)
      c.rotary.push_back((l + 1) % 4 != 0 ? 1 : 0);
  return c;
}

}  // namespace afina::model
