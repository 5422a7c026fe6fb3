// SPDX-License-Identifier: Apache-2.0
// `afina`: starts afina-engine beside it in this very process, with an environment that libgomp can only read before
// main(): how long a compute thread spins at a barrier. Its default, milliseconds, makes a training step several times
// slower as soon as anything else uses a core; a thousand turns (some 15 microseconds) still bridge the gaps between
// our kernels. Links nothing: loading LibTorch takes 0.3 s, and so happens once.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

int main(int, char** arguments) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (length <= 0) {
    std::perror("[afina] must find its own file");
    return 70;
  }
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", "1000", 0);
  const std::string engine = std::string(self, static_cast<size_t>(length)) + "-engine";
  execv(engine.c_str(), arguments);
  std::fprintf(stderr, "[afina] must start %s, but cannot: %s. Hint: it belongs beside afina; install or build both.\n",
               engine.c_str(), std::strerror(errno));
  return 70;
}
