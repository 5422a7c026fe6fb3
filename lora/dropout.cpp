// SPDX-License-Identifier: Apache-2.0
#include "lora/dropout.h"

#include "model/counter_random.h"

namespace afina::lora {

uint64_t dropout_stream(const model::DropoutKey& key, int layer, int module) {
  return model::counter_stream(key, (static_cast<uint64_t>(layer) << 8) ^ static_cast<uint64_t>(module));
}

void apply_dropout(std::span<const float> in, std::span<float> out, double p, uint64_t stream) {
  const auto threshold = static_cast<uint32_t>(p * 16777216.0);  // 24 bits
  const auto keep_scale = static_cast<float>(1.0 / (1.0 - p));
  for (size_t i = 0; i < in.size(); ++i)
    out[i] = model::counter_bits(stream, i) >= threshold ? in[i] * keep_scale : 0.0F;
}

float counter_uniform(uint64_t stream, uint64_t index) {
  return static_cast<float>(model::counter_bits(stream, index)) * (1.0F / 16777216.0F);
}

}  // namespace afina::lora
