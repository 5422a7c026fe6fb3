// SPDX-License-Identifier: Apache-2.0
// What a decoder of the Llama family is made of, read from a Hugging Face config.json (old and new key spellings) or
// from GGUF metadata. Data only: a new family is new values here and at most one branch in the decoder. Spec:
// transformers models/llama/configuration_llama.py; ggml docs/gguf.md.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/adapter.h"

namespace afina::formats {
class GgufFile;
}

namespace afina::model {

/// llama3 frequency scaling; type "default" means none.
struct RopeScaling {
  std::string type = "default";
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_max_positions = 8192;
};

struct ModelConfig {
  std::string family = "llama";
  int64_t vocab_size = 0;
  int64_t hidden = 0;
  int64_t ffn = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t max_positions = 2048;  ///< context length, tokens
  double rms_eps = 1e-6;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  std::vector<float> rope_divisors;  ///< of inverse frequencies, from a GGUF file; empty = 1
  bool tied_head = false;
  bool qkv_bias = false;            ///< Qwen2; refused until supported
  bool qk_norm = false;             ///< Qwen3; refused until supported
  std::vector<int> no_rope_layers;  ///< SmolLM3; refused until supported
  int bos_id = -1;                  ///< -1: none named
  std::vector<int> eos_ids;         ///< as the model's own file names them; text/ knows every end token of the family

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
  int64_t qkv_width() const { return q_width() + 2 * kv_width(); }
  /// Input and output features of a whole site (q|k|v and gate|up fused).
  int64_t site_in(Site site) const;
  int64_t site_out(Site site) const;
};

/// Architectures accepted by the readers below, as they are spelled in config.json; for messages.
const std::vector<std::string>& supported_architectures();

/// Throws ModelError "[where] must …" where a value is missing, of the wrong kind, out of its range or not supported
/// yet.
ModelConfig config_from_hf(const Json& json, const std::string& where);
/// As above. Shapes of embedding and rope_freqs tensors fill what metadata leaves out.
ModelConfig config_from_gguf(const formats::GgufFile& file, const std::string& where);
/// The range and consistency checks of both readers, for configs made in code.
void validate(const ModelConfig& config, const std::string& where);

/// Inverse frequencies of rotary positions [head_dim/2], computed in fp32 as transformers does; llama3 scaling applied.
std::vector<float> rope_inverse_frequencies(const ModelConfig& config);

}  // namespace afina::model
