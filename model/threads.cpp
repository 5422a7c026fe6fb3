// SPDX-License-Identifier: Apache-2.0
#include "model/threads.h"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace afina::model {
namespace {

/// libgomp reads its environment when it is loaded, before main(): only a program started with the variable has it. Its
/// default is to spin for milliseconds at every barrier, which makes a training step several times slower as soon as
/// anything else uses a core; a thousand turns (some 15 microseconds) still bridge the gaps between our kernels.
/// Returns only where there is nothing to do or the program cannot be started again.
void restart_with_short_spinning() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string line((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<char*> arguments;
  std::string copy = line;
  for (size_t i = 0; i < copy.size(); i += std::strlen(copy.data() + i) + 1)
    arguments.push_back(copy.data() + i);
  if (arguments.empty() || setenv("GOMP_SPINCOUNT", "1000", 0) != 0) return;
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
}

}  // namespace

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
  restart_with_short_spinning();
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 256 << 20);
  at::set_num_interop_threads(1);
  set_threads(threads);
}

}  // namespace afina::model
