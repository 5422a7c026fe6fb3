// SPDX-License-Identifier: Apache-2.0
#include "model/compute.h"

#include "model/cpu_compute.h"
#include "model/cuda/place.h"

namespace afina::model {

std::unique_ptr<Compute> make_compute(const ModelConfig& config, at::Device device) {
  if (!device.is_cpu()) return make_cuda_compute(config, device);
  return std::make_unique<CpuCompute>(config);
}

}  // namespace afina::model
