// SPDX-License-Identifier: Apache-2.0
// One whole run of the train loop over the toy policy, set up in one place for the tests of the loop.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "dpo/bco_loss.h"
#include "dpo/preference_loss.h"
#include "dpo/sft_loss.h"
#include "finetune/trainer.h"
#include "tests/finetune/toy.h"

namespace afina::finetune::toy {

struct ToyRun {
  RunKind kind;
  RunConfig config;
  ToyRows rows;
  ToyRows held_out;
  ToyPolicy policy;
  std::unique_ptr<dpo::Objective> objective;
  std::unique_ptr<ShuffledBatches> batches;
  std::unique_ptr<ReferenceTable> reference, held_out_reference;
  CheckpointStore checkpoints;
  std::unique_ptr<Trainer> trainer;

  ToyRun(RunKind run_kind, RunConfig run_config, const std::filesystem::path& folder, RunSink& sink, bool fresh = true,
         int64_t n_rows = 37)
      : kind(run_kind),
        config(std::move(run_config)),
        rows(n_rows, kind == RunKind::dpo),
        held_out(9, kind == RunKind::dpo, 2),
        policy(fresh, config.lora_dropout),
        checkpoints(folder / "checkpoints", config.save_total_limit) {
    if (kind == RunKind::dpo) {
      objective = std::make_unique<dpo::PreferenceLoss>(dpo::PreferenceOptions{.beta = config.beta});
    } else if (kind == RunKind::bco) {
      objective = std::make_unique<dpo::BcoLoss>(config.beta);
    } else {
      objective = std::make_unique<dpo::SftLoss>();
    }
    if (objective->needs_reference()) {
      const bool with_adapter = config.reference == ReferencePolicy::start && !fresh;
      reference = table(rows, with_adapter);
      held_out_reference = table(held_out, with_adapter);
    }
    build(sink);
  }

  void build(RunSink& sink) {
    batches = std::make_unique<ShuffledBatches>(
        rows, config, [this](const datasets::PackedBatch& batch) { return objective->divisor_share(batch); });
    RunIdentity identity{config_hash(kind, config), rows.data_hash(), "toy", reference ? reference->identity() : "", 1};
    trainer = std::make_unique<Trainer>(
        config, TrainerParts{policy,
                             *objective,
                             *batches,
                             rows,
                             reference.get(),
                             {EvaluationSet{&held_out, held_out_reference.get()}},
                             sink,
                             checkpoints,
                             identity,
                             health_facts(kind, config, config.reference == ReferencePolicy::start)});
  }

  std::unique_ptr<ReferenceTable> table(const ToyRows& of, bool with_adapter) {
    ReferenceRequest request;
    request.rows = &of;
    request.policy = &policy;
    request.with_adapter = with_adapter;
    request.reference_key = "toy";
    return std::make_unique<ReferenceTable>(std::move(request));
  }

  std::vector<float> parameters() {
    const float* p = policy.parameters().data_ptr<float>();
    return {p, p + policy.parameters().numel()};
  }
};

/// Dropout and accumulation on, as the promise of exact resume says.
inline RunConfig toy_config() {
  RunConfig config;
  config.learning_rate = 0.05;
  config.lr_scheduler_type = SchedulerType::cosine;
  config.warmup_steps = 3;
  config.max_steps = 20;
  config.per_device_train_batch_size = 2;
  config.gradient_accumulation_steps = 3;
  config.weight_decay = 0.01;
  config.lora_dropout = 0.3;
  config.save_steps = 5;
  return config;
}

}  // namespace afina::finetune::toy
