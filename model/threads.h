// SPDX-License-Identifier: Apache-2.0
// Process-wide settings of programs that compute: number of compute threads and glibc's allocator. For main() only.
// Why the allocator: ATen's big transient buffers otherwise come from mmap and go back with munmap at every use;
// keeping them costs nothing and saved 26-60 % of a training step in the measured peers.
#pragma once

namespace afina::model {

/// Compute threads of the kernels and of ATen; 0 = $OMP_NUM_THREADS, else the physical cores. Returns the number in
/// use. Call before the first computation.
int set_threads(int threads = 0);
int threads();

/// mallopt: no mmap for big blocks, no trimming, top pad 256 MB; inter-op threads 1; then set_threads(threads).
/// Starts the program again (same process id, same arguments) with GOMP_SPINCOUNT=1000 unless that or OMP_WAIT_POLICY
/// is set. Call first in main(), before anything is read, written or started.
void tune_process(int threads = 0);

}  // namespace afina::model
