// SPDX-License-Identifier: Apache-2.0
#include "finetune/peak_memory.h"

#include <fstream>
#include <string>

namespace afina::finetune {

int64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  int64_t kibibytes = 0;
  while (status >> word) {
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

}  // namespace afina::finetune
