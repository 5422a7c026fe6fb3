// SPDX-License-Identifier: Apache-2.0
// What training asks of a GPU besides the decoder's work: dropout's masks and how much memory there is.
#include <ATen/ATen.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "base/error.h"
#include "model/cuda/place.h"
#include "model/kernels/cuda/kernels.h"

namespace afina::model {

void cuda_dropout(const at::Tensor& in, at::Tensor& out, double p, uint64_t stream) {
  AFINA_CHECK(in.is_contiguous() && out.is_contiguous() && in.numel() == out.numel(), "[model.cuda] dropout's shapes");
  cuda::dropout(in.const_data_ptr<float>(), out.data_ptr<float>(), p, stream, in.numel(),
                c10::cuda::getCurrentCUDAStream().stream());
}

DeviceMemory device_memory(at::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  size_t free_bytes = 0, total_bytes = 0;
  const cudaError_t code = cudaMemGetInfo(&free_bytes, &total_bytes);
  if (code != cudaSuccess)
    throw ModelError(cat("[model.device] ", device.str(), " must answer, but says: ", cudaGetErrorString(code), "."));
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  return {static_cast<int64_t>(free_bytes), stats.allocated_bytes[0].peak};
}

}  // namespace afina::model
