// SPDX-License-Identifier: Apache-2.0
// Compiled with -fopenmp; libgomp is the one that LibTorch brings.
#include "model/parallel.h"

#include <omp.h>

#include <algorithm>
#include <exception>

#include "model/threads.h"

namespace afina::model {

void parallel(int64_t units, const std::function<void(int64_t, int64_t)>& body, int64_t min_units) {
  if (units <= 0) return;
  const int64_t parts = std::min<int64_t>(threads(), units / std::max<int64_t>(1, min_units));
  if (parts <= 1 || omp_in_parallel() != 0) return body(0, units);
  std::exception_ptr failure;
#pragma omp parallel num_threads(static_cast <int>(parts))
  {
    const int64_t part = omp_get_thread_num(), n = omp_get_num_threads();
    try {
      body(units * part / n, units * (part + 1) / n);
    } catch (...) {
#pragma omp critical(afina_parallel_failure)
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace afina::model
