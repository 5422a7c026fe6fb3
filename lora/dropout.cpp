// SPDX-License-Identifier: Apache-2.0
#include "lora/dropout.h"

namespace afina::lora {
namespace {

uint64_t mix(uint64_t z) {
  z += 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

uint32_t element_bits(uint64_t stream, uint64_t index) {
  return static_cast<uint32_t>(mix(stream ^ mix(index)) >> 40);
}

}  // namespace

uint64_t dropout_stream(const model::DropoutKey& key, int layer, int module) {
  uint64_t stream = mix(key.seed);
  stream = mix(stream ^ key.step);
  stream = mix(stream ^ key.micro_batch);
  return mix(stream ^ (static_cast<uint64_t>(layer) << 8) ^ static_cast<uint64_t>(module));
}

void apply_dropout(std::span<const float> in, std::span<float> out, double p, uint64_t stream) {
  const auto threshold = static_cast<uint32_t>(p * 16777216.0);  // 24 bits
  const auto keep_scale = static_cast<float>(1.0 / (1.0 - p));
  for (size_t i = 0; i < in.size(); ++i)
    out[i] = element_bits(stream, i) >= threshold ? in[i] * keep_scale : 0.0F;
}

float counter_uniform(uint64_t stream, uint64_t index) {
  return static_cast<float>(element_bits(stream, index)) * (1.0F / 16777216.0F);
}

}  // namespace afina::lora
