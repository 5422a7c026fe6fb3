// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_names.h"

#include <algorithm>

#include "base/error.h"

namespace afina::model {
namespace {

struct Pair {
  std::string_view hf, gguf;
};

constexpr Pair kWhole[] = {{"model.embed_tokens.weight", "token_embd.weight"},
                           {"model.norm.weight", "output_norm.weight"},
                           {"lm_head.weight", "output.weight"}};
constexpr Pair kOfLayer[] = {{"input_layernorm", "attn_norm"},    {"post_attention_layernorm", "ffn_norm"},
                             {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
                             {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"},
                             {"self_attn.v_proj", "attn_v"},      {"self_attn.o_proj", "attn_output"},
                             {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
                             {"mlp.down_proj", "ffn_down"}};
constexpr std::string_view kHfLayers = "model.layers.", kGgufLayers = "blk.";

/// "<prefix>12.<part>.<weight or bias>", taken apart.
struct LayerName {
  std::string_view number, part, suffix;
};

std::optional<LayerName> layer_name(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return {};
  name.remove_prefix(prefix.size());
  const size_t dot = name.find('.'), last = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || last <= dot || dot > 4) return {};
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(name.begin(), name.begin() + static_cast<int64_t>(dot), is_digit)) return {};
  if (dot > 1 && name[0] == '0') return {};
  const LayerName out{name.substr(0, dot), name.substr(dot + 1, last - dot - 1), name.substr(last + 1)};
  if (out.suffix != "weight" && out.suffix != "bias") return {};
  return out;
}

std::optional<std::string> mapped(std::string_view name, bool to_gguf) {
  for (const Pair& pair : kWhole)
    if (name == (to_gguf ? pair.hf : pair.gguf)) return std::string(to_gguf ? pair.gguf : pair.hf);
  const auto taken = layer_name(name, to_gguf ? kHfLayers : kGgufLayers);
  if (!taken) return {};
  for (const Pair& pair : kOfLayer)
    if (taken->part == (to_gguf ? pair.hf : pair.gguf))
      return cat(to_gguf ? kGgufLayers : kHfLayers, taken->number, ".", to_gguf ? pair.gguf : pair.hf, ".",
                 taken->suffix);
  return {};
}

}  // namespace

std::string gguf_name(const std::string& hf_name) {
  const auto out = mapped(hf_name, true);
  AFINA_CHECK(out.has_value(), "[model.gguf] must map every name, but got '", hf_name, "'");
  return *out;
}

std::optional<std::string> hf_name(std::string_view gguf_name) {
  return mapped(gguf_name, false);
}

bool permutes_qk(const ModelConfig& config) {
  return config.gguf_architecture == "llama" || config.gguf_architecture == "smollm3";
}

bool is_permuted(const ModelConfig& config, std::string_view hf_name) {
  return permutes_qk(config) && (hf_name.find(".self_attn.q_proj.") != std::string_view::npos ||
                                 hf_name.find(".self_attn.k_proj.") != std::string_view::npos);
}

int64_t gguf_row(int64_t row, int64_t head_dim) {
  const int64_t in_head = row % head_dim, half = head_dim / 2;
  return row - in_head + 2 * (in_head % half) + in_head / half;
}

int64_t hf_row(int64_t row, int64_t head_dim) {
  const int64_t in_head = row % head_dim;
  return row - in_head + in_head % 2 * (head_dim / 2) + in_head / 2;
}

}  // namespace afina::model
