// SPDX-License-Identifier: Apache-2.0
// Loops over the rows of fp32 matrices on the processor: what cpu_compute.cpp and cpu_head.cpp share.
#pragma once
#include <ATen/core/Tensor.h>

#include "model/parallel.h"

namespace afina::model {

inline const float* row(const at::Tensor& t, int64_t i) {
  return t.const_data_ptr<float>() + i * t.stride(0);
}
inline float* row(at::Tensor& t, int64_t i) {
  return t.data_ptr<float>() + i * t.stride(0);
}

/// f(i) for every i of [0, n), split over the threads. width: floats of a row that f touches.
template <typename F>
void for_rows(int64_t n, int64_t width, F f) {
  parallel(
      n,
      [&f](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          f(i);
      },
      worth_a_thread(4 * width));
}

}  // namespace afina::model
