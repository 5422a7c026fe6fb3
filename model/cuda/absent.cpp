// SPDX-License-Identifier: Apache-2.0
// What a build without AFINA_CUDA says to a GPU.
#include "base/error.h"
#include "model/cuda/place.h"

namespace afina::model {
namespace {

[[noreturn]] void refuse(at::Device device) {
  throw ModelError(cat("[model.device] must be cpu in this build, but got ", device.str(), "."),
                   "configure with -DAFINA_CUDA=ON on a machine with an NVIDIA GPU (docs/cuda.md)");
}

}  // namespace

std::shared_ptr<const Model> to_cuda(const Model&, at::Device device, CudaStorage) {
  refuse(device);
}

std::unique_ptr<Compute> make_cuda_compute(const ModelConfig&, at::Device device) {
  refuse(device);
}

void cuda_dropout(const at::Tensor& in, at::Tensor&, double, uint64_t) {
  refuse(in.device());
}

DeviceMemory device_memory(at::Device device) {
  refuse(device);
}

}  // namespace afina::model
