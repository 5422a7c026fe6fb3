// SPDX-License-Identifier: Apache-2.0
// The way onto a GPU: a model whose weights lie there, and the Compute that works on it. In a build without AFINA_CUDA
// both throw ModelError (absent.cpp).
#pragma once
#include <memory>

#include "model/compute.h"
#include "model/model.h"

namespace afina::model {

/// How the projections lie on the GPU. bf16: two bytes a weight. nf4: half a byte, scales in 8 bits, dequantised to
/// bf16 on a second stream before each product. f32: four bytes, products in fp32 (parity runs).
enum class CudaStorage { f32, bf16, nf4 };

/// A copy of the model on `device`. Projections as `storage` says; embedding and head bf16 (f32: fp32); norms and
/// biases fp32. nf4 of a model that was loaded as NF4 keeps its values bit for bit, or is refused: ModelError. Needs
/// memory for one layer's fp32 weights on the host.
std::shared_ptr<const Model> to_cuda(const Model& model, at::Device device, CudaStorage storage);

/// Attention is FlashAttention in bf16, unless ATen's own switch for it is off (at::globalContext().setSDPUseFlash)
/// when this is called, as parity runs have it, or the head's width does not allow it: then fp32 products.
std::unique_ptr<Compute> make_cuda_compute(const ModelConfig& config, at::Device device);

/// out[i] = in[i] / (1 − p) where element i is kept, 0 where it is dropped; fp32, contiguous, on one GPU. The mask is
/// that of lora/dropout.h.
void cuda_dropout(const at::Tensor& in, at::Tensor& out, double p, uint64_t stream);

/// Bytes of a GPU that are free, and the most that tensors of this process ever held there.
struct DeviceMemory {
  int64_t free_bytes = 0, peak_bytes = 0;
};
DeviceMemory device_memory(at::Device device);

}  // namespace afina::model
