// SPDX-License-Identifier: Apache-2.0
// Names of a decoder's tensors in Hugging Face folders and in GGUF files, and the order of q and k rows in the latter
// (llama.cpp gguf-py/gguf/tensor_mapping.py, conversion/llama.py). Everything outside the readers and writers speaks
// Hugging Face names.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/config.h"

namespace afina::model {

/// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight". Throws InternalError for a name that no supported
/// family has.
std::string gguf_name(const std::string& hf_name);
/// The way back; nothing for a name that no supported family has ("rope_freqs.weight" is one).
std::optional<std::string> hf_name(std::string_view gguf_name);

/// ggml rotates neighbouring values in arch llama and smollm3, halves in qwen2 and qwen3; in files of the former the
/// rows of q and k are permuted within each head.
bool permutes_qk(const ModelConfig& config);
/// Are the rows of this tensor (Hugging Face name: weight or bias of q_proj or k_proj) permuted in a GGUF of this
/// model?
bool is_permuted(const ModelConfig& config, std::string_view hf_name);
/// The row of a GGUF tensor that holds Hugging Face row `row`, and the way back. head_dim is even.
int64_t gguf_row(int64_t row, int64_t head_dim);
int64_t hf_row(int64_t row, int64_t head_dim);

}  // namespace afina::model
