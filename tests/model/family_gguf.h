// SPDX-License-Identifier: Apache-2.0
// A tiny Hugging Face folder as llama.cpp's converter would write it to GGUF: keys under the arch's own prefix, q and k
// rows permuted where the arch wants it, llama3 scaling as frequency divisors.
#pragma once
#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "formats/gguf_writer.h"
#include "formats/safetensors_set.h"
#include "model/config.h"

namespace afina::model {

inline std::string tiny_gguf_name(std::string name) {
  static const std::pair<std::string, std::string> kParts[] = {{"model.embed_tokens", "token_embd"},
                                                               {"model.norm", "output_norm"},
                                                               {"lm_head", "output"},
                                                               {"model.layers.", "blk."},
                                                               {"input_layernorm", "attn_norm"},
                                                               {"self_attn.", "attn_"},
                                                               {"post_attention_layernorm", "ffn_norm"},
                                                               {"attn_o_proj", "attn_output"},
                                                               {"mlp.", "ffn_"},
                                                               {"_proj", ""}};
  for (const auto& [from, to] : kParts)
    if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, from.size(), to);
  return name;
}

inline void write_family_gguf(const std::filesystem::path& folder, const std::filesystem::path& path) {
  const Json json = parse_json(read_file(folder / "config.json"), "config.json");
  ModelConfig c = config_from_hf(json, "config.json");
  const formats::SafetensorsSet set(folder);
  formats::GgufWriter out(path);
  const std::string arch = c.gguf_architecture, p = arch + ".";
  const auto u32 = [&](const char* key, int64_t value) { out.set_u32(p + key, static_cast<uint32_t>(value)); };
  out.set_string("general.architecture", arch);
  u32("embedding_length", c.hidden);
  u32("feed_forward_length", c.ffn);
  u32("block_count", c.layers);
  u32("attention.head_count", c.heads);
  u32("attention.head_count_kv", c.kv_heads);
  u32("attention.key_length", c.head_dim);
  u32("attention.value_length", c.head_dim);
  u32("rope.dimension_count", c.head_dim);
  u32("context_length", c.max_positions);
  out.set_f32(p + "attention.layer_norm_rms_epsilon", static_cast<float>(c.rms_eps));
  out.set_f32(p + "rope.freq_base", static_cast<float>(c.rope_theta));
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  if (c.rope_scaling.type == "llama3") {
    const auto scaled = rope_inverse_frequencies(c);
    c.rope_scaling = {};
    auto divisors = rope_inverse_frequencies(c);
    for (size_t j = 0; j < divisors.size(); ++j)
      divisors[j] /= scaled[j];
    tensors.emplace_back("rope_freqs.weight", at::tensor(at::ArrayRef<float>(divisors)));
  }
  for (const auto* view : set.tensors()) {
    at::Tensor w = at::empty(view->shape, at::kFloat);
    formats::copy_to_float(*view, {w.data_ptr<float>(), static_cast<size_t>(w.numel())});
    const bool qk = view->name.find("q_proj") != std::string::npos || view->name.find("k_proj") != std::string::npos;
    if (qk && (arch == "llama" || arch == "smollm3")) {
      const int64_t heads = w.size(0) / c.head_dim;
      w = w.view({heads, 2, c.head_dim / 2, -1}).transpose(1, 2).contiguous().view(view->shape);
    }
    tensors.emplace_back(tiny_gguf_name(view->name), w);
  }
  for (const auto& [name, w] : tensors)
    out.add_tensor({name, formats::GgmlType::f32, w.sizes().vec()});
  out.begin_data();
  for (const auto& [name, w] : tensors)
    out.write(name, std::as_bytes(std::span(w.const_data_ptr<float>(), static_cast<size_t>(w.numel()))));
  out.finish();
}

}  // namespace afina::model
