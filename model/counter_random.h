// SPDX-License-Identifier: Apache-2.0
// Random numbers that are a function of a counter, so that nothing is stored and a resumed run draws the same:
// splitmix64 (Steele, Lea, Flood 2014) over the element's index, keyed by run, step, micro-batch and place.
#pragma once
#include <cstdint>

#include "model/adapter.h"

namespace afina::model {

constexpr uint64_t mix_bits(uint64_t z) {
  z += 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

/// One stream of a forward pass. place tells the uses apart: modules of layers count from 0 (lora/dropout.h), others
/// from the top. key.enabled does not matter.
constexpr uint64_t counter_stream(const DropoutKey& key, uint64_t place) {
  return mix_bits(mix_bits(mix_bits(mix_bits(key.seed) ^ key.step) ^ key.micro_batch) ^ place);
}

inline constexpr uint64_t kNoisePlace = ~uint64_t{0};  ///< NEFTune

/// The 24 bits of element `index`.
constexpr uint32_t counter_bits(uint64_t stream, uint64_t index) {
  return static_cast<uint32_t>(mix_bits(stream ^ mix_bits(index)) >> 40);
}

/// Uniform in [−1, 1), steps of 2⁻²³.
constexpr float counter_symmetric(uint64_t stream, uint64_t index) {
  return static_cast<float>(counter_bits(stream, index)) * (1.0F / 8388608.0F) - 1.0F;
}

}  // namespace afina::model
