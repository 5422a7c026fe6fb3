// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include "base/error.h"
#include "model/kernels/cuda/kernels.h"

namespace afina::model::cuda {

void launch_failed(int error) {
  throw InternalError(
      cat("[cuda.launch] must start a kernel, but got: ", cudaGetErrorString(static_cast<cudaError_t>(error))));
}

}  // namespace afina::model::cuda
