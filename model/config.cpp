// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace afina::model {
namespace {

struct Range {
  const char* name;
  int64_t value, low, high;
};

}  // namespace

int64_t ModelConfig::site_in(Site site) const {
  switch (site) {
    case Site::o:
      return q_width();
    case Site::down:
      return ffn;
    default:
      return hidden;
  }
}

int64_t ModelConfig::site_out(Site site) const {
  switch (site) {
    case Site::qkv:
      return qkv_width();
    case Site::gate_up:
      return 2 * ffn;
    default:
      return hidden;
  }
}

bool ModelConfig::has_bias(Site site) const {
  return site == Site::qkv ? qkv_bias : site == Site::o ? o_bias : mlp_bias;
}

int64_t ModelConfig::row_limit() const {
  return sliding_window > 0 ? std::min(sliding_window, max_positions) : max_positions;
}

std::string ModelConfig::row_limit_reason() const {
  return row_limit() < max_positions
             ? cat("the model's sliding window of ", sliding_window, " tokens (longer rows are not supported)")
             : cat("the model's context of ", max_positions, " tokens");
}

void validate(const ModelConfig& c, const std::string& where) {
  // Far above every published model; the point is that no product of two of them overflows or exhausts memory before
  // the shapes of real tensors are compared.
  for (const Range& r :
       {Range{"vocab_size", c.vocab_size, 1, 1 << 22}, Range{"hidden_size", c.hidden, 1, 1 << 17},
        Range{"intermediate_size", c.ffn, 1, 1 << 20}, Range{"num_hidden_layers", c.layers, 1, 1024},
        Range{"num_attention_heads", c.heads, 1, 1024}, Range{"num_key_value_heads", c.kv_heads, 1, 1024},
        Range{"head_dim", c.head_dim, 2, kMaxHeadDim}, Range{"max_position_embeddings", c.max_positions, 1, 1 << 24}}) {
    if (r.value < r.low || r.value > r.high)
      throw ModelError(cat("[", where, "] ", r.name, " must be ", r.low, "..", r.high, ", but got ", r.value, "."));
  }
  const auto require = [&](bool holds, const auto&... parts) {
    if (!holds) throw ModelError(cat("[", where, "] ", parts..., "."));
  };
  require(c.head_dim % 2 == 0, "head_dim must be even, but got ", c.head_dim);
  require(c.heads % c.kv_heads == 0, "num_attention_heads must be a multiple of num_key_value_heads, but got ", c.heads,
          " and ", c.kv_heads);
  require(c.rms_eps > 0 && c.rms_eps < 1, "rms_norm_eps must lie between 0 and 1, but got ", c.rms_eps);
  require(c.rope_theta >= 1 && c.rope_theta <= 1e15, "rope_theta must be 1..1e15, but got ", c.rope_theta);
  const RopeScaling& s = c.rope_scaling;
  require(s.type == "default" || s.type == "linear" || s.type == "llama3",
          "rope_type must be one of: default, linear, llama3; but got '", s.type.substr(0, 200), "'");
  if (s.type == "linear")
    require(s.factor >= 1e-3 && s.factor <= 1e6, "linear rope scaling must have a factor of 0.001..1e6, but got ",
            s.factor);
  if (s.type == "llama3")
    require(s.factor >= 1 && s.factor <= 1e6 && s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor &&
                s.original_max_positions > 0,
            "llama3 rope scaling must have factor >= 1 and 0 < low_freq_factor < high_freq_factor, but got factor ",
            s.factor, ", low ", s.low_freq_factor, ", high ", s.high_freq_factor, ", original ",
            s.original_max_positions);
  require(c.rope_divisors.empty() || static_cast<int64_t>(c.rope_divisors.size()) == c.head_dim / 2,
          "rope_freqs.weight must have head_dim/2 = ", c.head_dim / 2, " values, but has ", c.rope_divisors.size());
  for (const float divisor : c.rope_divisors)
    require(std::isfinite(divisor) && divisor > 0, "rope_freqs.weight must be positive, but has ", divisor);
  require(c.sliding_window >= 0, "sliding_window must be 0 or more, but got ", c.sliding_window);
  require(c.rotary.empty() || static_cast<int64_t>(c.rotary.size()) == c.layers,
          "rotary flags must be one a layer, but there are ", c.rotary.size());
}

std::vector<float> rope_inverse_frequencies(const ModelConfig& c) {
  std::vector<float> out(static_cast<size_t>(c.head_dim / 2));
  for (size_t j = 0; j < out.size(); ++j) {
    // In fp32 step by step, as the peers' tensor expression: a double here would differ in the last bit.
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(c.head_dim);
    float inverse = 1.0F / std::pow(static_cast<float>(c.rope_theta), exponent);
    const RopeScaling& s = c.rope_scaling;
    if (s.type == "linear") {
      inverse /= static_cast<float>(s.factor);
    } else if (s.type == "llama3") {
      const auto original = static_cast<float>(s.original_max_positions);
      const auto low = static_cast<float>(s.low_freq_factor), high = static_cast<float>(s.high_freq_factor);
      const auto factor = static_cast<float>(s.factor);
      const float wavelength = 2.0F * static_cast<float>(M_PI) / inverse;
      if (wavelength > original / low) {
        inverse /= factor;
      } else if (wavelength >= original / high) {
        const float smooth = (original / wavelength - low) / (high - low);
        inverse = (1.0F - smooth) * inverse / factor + smooth * inverse;
      }
    }
    if (!c.rope_divisors.empty()) inverse /= c.rope_divisors[j];
    out[j] = inverse;
  }
  return out;
}

}  // namespace afina::model
