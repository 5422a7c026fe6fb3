// SPDX-License-Identifier: Apache-2.0
// What a decoder is made of (Llama, Mistral, SmolLM3, Qwen2, Qwen3), read from a Hugging Face config.json (old and new
// key spellings, each family's own defaults) or from GGUF metadata. Data only: a new family is new values here and at
// most one branch in the decoder. Spec: transformers models/*/configuration_*.py; ggml docs/gguf.md.
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

/// Largest head_dim that validate() lets through.
inline constexpr int64_t kMaxHeadDim = 1024;

/// type: "default" (none), "linear" (frequencies divided by factor) or "llama3" (scaled band by band).
struct RopeScaling {
  std::string type = "default";
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  int64_t original_max_positions = 8192;
};

/// How the projections lie in the files: nf4 is bitsandbytes' 4-bit format (config.json, quantization_config).
enum class Quantization { none, nf4 };

struct ModelConfig {
  std::string architecture = "LlamaForCausalLM";  ///< as in config.json; of a GGUF, the one that arch stands for
  std::string gguf_architecture = "llama";        ///< general.architecture of a GGUF of this model
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
  bool qkv_bias = false;        ///< of q, k and v: Qwen2, attention_bias of the others
  bool o_bias = false;          ///< attention_bias of Llama, Qwen3, SmolLM3
  bool mlp_bias = false;        ///< of gate, up and down
  bool qk_norm = false;         ///< RMSNorm over each head of q and k before rotary positions: Qwen3
  std::vector<uint8_t> rotary;  ///< a layer: 1 = rotary positions, 0 = none (SmolLM3); empty = all rotate
  int64_t sliding_window = 0;   ///< tokens that a row sees of its past; 0 = all. Longer rows are refused
  Quantization quantization = Quantization::none;
  int bos_id = -1;           ///< -1: none named
  std::vector<int> eos_ids;  ///< as the model's own file names them; text/ knows every end token of the family

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
  int64_t qkv_width() const { return q_width() + 2 * kv_width(); }
  bool rotates(int64_t layer) const { return rotary.empty() || rotary[static_cast<size_t>(layer)] != 0; }
  /// Has this site a bias?
  bool has_bias(Site site) const;
  /// Longest row that can be computed: the context, or the sliding window where that is shorter.
  int64_t row_limit() const;
  /// Why a row of this many tokens cannot be computed, as the end of a sentence: "the model's context of 2048"; for
  /// rows above row_limit().
  std::string row_limit_reason() const;
  /// Input and output features of a whole site (q|k|v and gate|up fused).
  int64_t site_in(Site site) const;
  int64_t site_out(Site site) const;
};

/// Architectures accepted by the readers below, as they are spelled in config.json and in GGUF; for messages.
const std::vector<std::string>& supported_architectures();
const std::vector<std::string>& supported_gguf_architectures();

/// Missing keys take the family's own defaults in transformers. Throws ModelError "[where] must …" where a value is
/// missing, of the wrong kind, out of its range or not supported (rope types dynamic, yarn, longrope; quantisations
/// other than bitsandbytes NF4; mixtures of experts).
ModelConfig config_from_hf(const Json& json, const std::string& where);
/// As above. Shapes of embedding and rope_freqs tensors fill what metadata leaves out.
ModelConfig config_from_gguf(const formats::GgufFile& file, const std::string& where);
/// The range and consistency checks of both readers, for configs made in code.
void validate(const ModelConfig& config, const std::string& where);

/// Inverse frequencies of rotary positions [head_dim/2], computed in fp32 as transformers does; scaling applied.
std::vector<float> rope_inverse_frequencies(const ModelConfig& config);

}  // namespace afina::model
