// SPDX-License-Identifier: Apache-2.0
// How much memory this process has held at most.
#pragma once
#include <cstdint>

namespace afina::finetune {

/// Largest resident set of the process so far in bytes (VmHWM of /proc/self/status); 0 where the kernel does not tell.
int64_t peak_memory_bytes();

}  // namespace afina::finetune
