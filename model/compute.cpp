// SPDX-License-Identifier: Apache-2.0
#include "model/compute.h"

#include "base/error.h"
#include "model/cpu_compute.h"

namespace afina::model {

std::unique_ptr<Compute> make_compute(const ModelConfig& config, at::Device device) {
  if (!device.is_cpu()) throw ModelError(cat("[model.compute] must be the processor, but is ", device.str(), "."));
  return std::make_unique<CpuCompute>(config);
}

}  // namespace afina::model
