// SPDX-License-Identifier: Apache-2.0
// Decoders of the sizes that bench_gpu measures, with random weights made on the GPU layer by layer.
#pragma once
#include <memory>

#include "model/cuda/place.h"
#include "model/model.h"

namespace afina::bench {

/// Llama 3.1's shapes.
model::ModelConfig llama_8b();
model::ModelConfig llama_70b();
/// Projections as bf16 (normal, never zeros) or NF4 (random codes under double quantisation).
std::shared_ptr<const model::Model> gpu_model(const model::ModelConfig& config, model::CudaStorage storage,
                                              at::Device device);

}  // namespace afina::bench
