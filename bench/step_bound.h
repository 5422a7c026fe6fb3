// SPDX-License-Identifier: Apache-2.0
// How fast a training step could be on this machine: each class of its work over the best rate that any library reaches
// for it here and now. Printed beside what the engine does.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "datasets/batch/packed_batch.h"
#include "model/model.h"

namespace afina::bench {

struct WorkClass {
  std::string name;
  double work = 0;   ///< GFLOP, or GB for "memory"
  double rate = 0;   ///< of that a second, the best seen
  std::string best;  ///< who reached it
  double seconds() const { return rate > 0 ? work / rate : 0; }
};

struct StepBound {
  std::vector<WorkClass> classes;
  double seconds() const;
  double gflop() const;  ///< of all classes but memory
};

/// Measures what it needs, a few seconds. adapter_widths: Σ r of each site (qkv, o, gate_up, down).
StepBound step_bound(const model::Model& model, const datasets::PackedBatch& batch,
                     const std::array<int64_t, 4>& adapter_widths, int64_t adapter_parameters, bool bf16);

/// Best rate of chains of fused multiply-adds in registers, all threads, GFLOP/s.
double fma_peak_gflops();

}  // namespace afina::bench
