// SPDX-License-Identifier: Apache-2.0
// Compiled with -fopenmp; libgomp is the one that LibTorch brings.
#include "model/parallel.h"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <omp.h>

#include <algorithm>
#include <cstdlib>
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

int set_threads(int threads) {
  if (threads <= 0) {
    const char* wish = std::getenv("OMP_NUM_THREADS");
    threads = wish != nullptr ? std::atoi(wish) : 0;
  }
  if (threads > 0) at::set_num_threads(threads);
  return model::threads();
}

int threads() {
  at::internal::lazy_init_num_threads();
  return at::get_num_threads();
}

void tune_process(int threads) {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 256 << 20);
  at::set_num_interop_threads(1);
  set_threads(threads);
}

}  // namespace afina::model
