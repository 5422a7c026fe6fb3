// SPDX-License-Identifier: Apache-2.0
// From a run's config to the parts that it names: how the model is loaded, the adapter's config, the objective.
#pragma once
#include <memory>

#include "dpo/make_objective.h"
#include "finetune/config/run_config.h"
#include "lora/adapter_set.h"
#include "model/model.h"
#include "model/training_model.h"

namespace afina::finetune {

model::LoadOptions load_options(const RunConfig& config);
/// Without recompute: that is the memory plan's.
model::TrainingModelOptions model_options(const RunConfig& config, const dpo::Objective& objective);
lora::LoraConfig lora_config(RunKind kind, const RunConfig& config);
/// Throws UsageError for settings that cannot be together.
dpo::ObjectiveOptions objective_options(RunKind kind, const RunConfig& config);

/// The adapter that training begins with, bound to its model. Throws UsageError for one that cannot be trained.
std::unique_ptr<lora::AdapterSet> fresh_adapter(RunKind kind, const RunConfig& config,
                                                const std::shared_ptr<const model::Model>& model);
/// A copy of a loaded one to go on from, with this run's dropout; rank, scale, targets and variants are its own and are
/// written into config.
std::unique_ptr<lora::AdapterSet> continued_adapter(const lora::AdapterSet& start, RunKind kind, RunConfig& config,
                                                    const std::shared_ptr<const model::Model>& model);

}  // namespace afina::finetune
