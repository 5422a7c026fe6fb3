// SPDX-License-Identifier: Apache-2.0
// Dropout masks that are a function of a counter: nothing is stored between forward and backward, and a resumed run
// drops the same inputs (model/counter_random.h), keyed by run, step, micro-batch and place.
#pragma once
#include <cstdint>
#include <span>

#include "model/adapter.h"

namespace afina::lora {

/// The key of one module's mask in one forward pass.
uint64_t dropout_stream(const model::DropoutKey& key, int layer, int module);
/// out[i] = in[i] / (1−p) where element i is kept, 0 where it is dropped. in and out may be the same memory.
void apply_dropout(std::span<const float> in, std::span<float> out, double p, uint64_t stream);
/// Uniform in [0, 1) with 24 bits, a function of stream and index: for initialisation too.
float counter_uniform(uint64_t stream, uint64_t index);

}  // namespace afina::lora
