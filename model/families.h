// SPDX-License-Identifier: Apache-2.0
// What tells one supported family from another, with the values its configuration class takes where config.json is
// silent (transformers models/{llama,mistral,qwen2,qwen3,smollm3}/configuration_*.py). One row a family.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace afina::model {

/// never: no such key is read. always: sliding_window alone decides. optional: use_sliding_window and layer types do.
enum class Window { never, always, optional };

struct Family {
  const char* model_type;
  const char* architecture;
  const char* gguf_architecture;
  int64_t kv_heads;  ///< 0: as many as query heads
  int64_t head_dim;  ///< 0: hidden / heads
  int64_t max_positions;
  double rope_theta;
  bool tied_head;
  int bos_id, eos_id;       ///< -1: none
  bool attention_bias_key;  ///< attention_bias gives q, k, v and o biases
  bool mlp_bias_key;
  bool qkv_bias;  ///< always there
  bool qk_norm;
  bool no_rope_layers;
  Window window;
  int64_t window_tokens;  ///< where sliding_window is missing; 0: none
};

/// Constant for the life of the process.
std::span<const Family> families();
/// "a, b, c".
std::string joined(const std::vector<std::string>& names);

}  // namespace afina::model
