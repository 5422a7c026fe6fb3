// SPDX-License-Identifier: Apache-2.0
// What a run will hold in memory, by class, before it starts; and the choice of micro-batch and recompute that fits.
// Numbers of the model come in as a function, so that this needs no LibTorch and the workbench can show a plan.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/json.h"
#include "finetune/config/run_enums.h"

namespace afina::finetune {

/// Bytes of a run by class. Peak resident memory is their sum: all of them live at once.
struct MemoryBytes {
  int64_t program = 0;      ///< code, libraries and threads before anything was loaded
  int64_t weights = 0;      ///< frozen weights, with the layouts that backward needs
  int64_t adapter = 0;      ///< trained parameters and their gradient
  int64_t optimiser = 0;    ///< its moments
  int64_t activations = 0;  ///< the arena of the largest micro-batch
  int64_t work = 0;         ///< buffers that layers and the loss head (a chunk of logits) use in turn
  int64_t reference = 0;    ///< cached log-probabilities of the reference
  int64_t evaluation = 0;   ///< what held-out batches need beyond training's
  int64_t checkpoint = 0;   ///< copies of the trained state while it is written
  int64_t data = 0;         ///< rows in ids, where they are not mapped from a file
  int64_t total() const;
};

/// What can be chosen without changing a loss.
struct MemoryChoice {
  int64_t micro_rows = 0;  ///< rows of the packed layout in the largest micro-batch
  RecomputeChoice recompute = RecomputeChoice::none;
  int64_t recompute_layers = 0;  ///< of the lowest layers
};

/// activations and work (the other classes are left 0) of one micro-batch.
using ArenaBytes = std::function<MemoryBytes(const MemoryChoice&)>;

struct MemoryQuestion {
  int64_t budget_bytes = 0;
  MemoryBytes fixed;        ///< the classes that no choice changes
  ArenaBytes arena;         ///< monotone in rows, falling in recompute_layers
  int64_t layers = 0;       ///< of the model
  int64_t micro_rows = 0;   ///< of the largest micro-batch as configured
  int64_t longest_row = 0;  ///< no micro-batch can be smaller
  bool may_split = true;    ///< false: the objective needs the micro-batches as configured
  RecomputeChoice recompute = RecomputeChoice::automatic;  ///< automatic: free to choose
};

struct MemoryPlan {
  MemoryChoice choice;
  MemoryBytes bytes;
  int64_t budget_bytes = 0;
  bool split = false;  ///< micro-batches are smaller than configured
};

/// The fastest choice that fits: as configured; then smaller micro-batches (the same loss, hardly slower down to 512
/// rows); then gate and up computed again in as few layers as possible; then whole layers; then the smallest
/// micro-batch. Throws UsageError naming what is missing and the nearest setting that fits.
MemoryPlan plan_memory(const MemoryQuestion& question);

/// One line a class, largest first, with the total and the budget.
std::string describe(const MemoryPlan& plan);
Json to_json(const MemoryPlan& plan);

/// Memory this process may still take plus what it holds now: the machine's available memory, bounded by the control
/// group's limit.
int64_t available_memory_bytes();
/// Resident memory of this process now, and the most it ever had (VmRSS, VmHWM).
int64_t resident_bytes();
int64_t peak_resident_bytes();

}  // namespace afina::finetune
