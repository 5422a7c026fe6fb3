// SPDX-License-Identifier: Apache-2.0
// The memory plan of one run: the engine's own arithmetic of buffers behind the planner of finetune/config.
#pragma once
#include "dpo/objective.h"
#include "finetune/batch_source.h"
#include "finetune/config/memory_plan.h"
#include "finetune/config/run_config.h"
#include "lora/adapter_set.h"
#include "model/model.h"
#include "model/training_model.h"

namespace afina::finetune {

struct MemoryFacts {
  int64_t program_bytes = 0;        ///< resident before the model was loaded
  int64_t optimiser_bytes = 0;      ///< of its state
  int64_t data_bytes = 0;           ///< rows in memory, 0 where they are mapped
  int64_t device_budget_bytes = 0;  ///< free on the GPU that holds the weights, with what they take; 0: on the CPU
  bool has_reference = false;
  bool reference_has_adapter = false;  ///< it needs the adapter as it began
};

/// Plans for the largest micro-batch of the whole run. model must be prepared for backward: its weights are counted as
/// they lie. held_out: null without. Throws UsageError as plan_memory().
MemoryPlan plan_run_memory(const RunConfig& config, const model::Model& model, const lora::AdapterSet& adapter,
                           const dpo::Objective& objective, const TrainingRows& rows,
                           std::span<const TrainingRows* const> held_out, const MemoryFacts& facts);

model::Recompute to_engine(RecomputeChoice choice);

}  // namespace afina::finetune
