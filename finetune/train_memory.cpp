// SPDX-License-Identifier: Apache-2.0
#include "finetune/train_memory.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "finetune/schedule.h"
#include "model/arena_plan.h"

namespace afina::finetune {
namespace {

constexpr int64_t kStepsToWalk = 2000;

struct Largest {
  int64_t micro = 0;    // rows of a micro-batch
  int64_t targets = 0;  // distinct rows with targets in it
  int64_t row = 0;      // rows of the longest example alone
};

/// What no micro-batch can pass: the longest rows together, cut by the configured bound.
Largest upper_bound(const TrainingRows& rows, const RunConfig& config, bool may_split) {
  const auto group =
      static_cast<size_t>(rows.groups().size > 0 ? rows.groups().size : config.per_device_train_batch_size);
  std::vector<int64_t> longest;  // a heap of the `group` longest, the shortest of them first
  for (int64_t row = 0; row < rows.size(); ++row) {
    const int64_t tokens = rows.tokens(row);
    if (longest.size() == group && tokens <= longest.front()) continue;
    if (longest.size() == group) {
      std::pop_heap(longest.begin(), longest.end(), std::greater<>());
      longest.pop_back();
    }
    longest.push_back(tokens);
    std::push_heap(longest.begin(), longest.end(), std::greater<>());
  }
  Largest out;
  for (const int64_t tokens : longest) {
    out.micro += tokens;
    out.row = std::max(out.row, tokens);
  }
  if (config.packing) out.micro = std::max(out.row, config.max_length) * config.per_device_train_batch_size;
  if (may_split && config.tokens_per_micro_batch > 0)
    out.micro = std::max(out.row, std::min(out.micro, config.tokens_per_micro_batch));
  out.targets = out.micro;
  return out;
}

/// Of a run of few steps exactly, by walking its batches; of a longer one the bound.
Largest largest_of_run(const TrainingRows& rows, const RunConfig& config, dpo::Scope scope) {
  Largest bound = upper_bound(rows, config, scope != dpo::Scope::micro_batch);
  ShuffledBatches batches(
      rows, config,
      [](const datasets::PackedBatch&) {
        return datasets::Divisors{1.0, 1.0};
      },
      scope);
  const int64_t steps =
      total_steps(config, steps_per_epoch(batches.micro_batches_per_epoch(), config.gradient_accumulation_steps));
  if (steps > kStepsToWalk) return bound;
  Largest out;
  out.row = bound.row;
  for (int64_t step = 0; step < steps; ++step) {
    for (const auto& micro : batches.next().micro) {
      std::vector<int> target_rows;
      for (const auto& target : micro.targets)
        target_rows.push_back(target.row);
      std::sort(target_rows.begin(), target_rows.end());
      const auto distinct = std::unique(target_rows.begin(), target_rows.end()) - target_rows.begin();
      out.micro = std::max(out.micro, micro.rows());
      out.targets = std::max<int64_t>(out.targets, distinct);
    }
  }
  return out;
}

MemoryBytes arena_bytes(const model::Model& model, const lora::AdapterSet& adapter, const MemoryChoice& choice,
                        const Largest& largest, bool keep) {
  model::ArenaRequest request;
  request.rows = choice.micro_rows;
  request.target_rows = std::min(choice.micro_rows, largest.targets);
  request.positions = largest.row;
  request.keep = keep;
  model::describe_adapter(model.config(), adapter, request);
  request.recompute = to_engine(choice.recompute);
  request.recompute_layers = choice.recompute_layers;
  const model::ArenaBytes bytes = model::plan_arena(model.config(), request).bytes;
  MemoryBytes out;
  out.activations = bytes.activations;
  out.work = bytes.total() - bytes.activations;
  return out;
}

/// What stays on the host whatever the device: with a GPU it is not in the plan, which is the GPU's.
void count_host(const MemoryFacts& facts, const lora::AdapterSet& adapter, int64_t rows, MemoryBytes& bytes) {
  bytes.program = facts.program_bytes;
  bytes.optimiser = facts.optimiser_bytes;
  // The state is copied out of the loop and serialised, the adapter once more in its own file.
  bytes.checkpoint = 2 * (4 * adapter.parameter_count() + facts.optimiser_bytes) + 8 * adapter.parameter_count();
  bytes.data = facts.data_bytes;
  if (facts.has_reference) bytes.reference = 2 * static_cast<int64_t>(sizeof(double)) * rows;
  // A copy of the adapter as it began.
  if (facts.reference_has_adapter) bytes.reference += 4 * adapter.parameter_count();
}

}  // namespace

model::Recompute to_engine(RecomputeChoice choice) {
  if (choice == RecomputeChoice::gate_up) return model::Recompute::gate_up;
  if (choice == RecomputeChoice::layer) return model::Recompute::layer;
  return model::Recompute::none;
}

MemoryPlan plan_run_memory(const RunConfig& config, const model::Model& model, const lora::AdapterSet& adapter,
                           const dpo::Objective& objective, const TrainingRows& rows,
                           std::span<const TrainingRows* const> held_out, const MemoryFacts& facts) {
  MemoryQuestion question;
  question.may_split = objective.scope() != dpo::Scope::micro_batch;
  const Largest largest = largest_of_run(rows, config, objective.scope());
  const bool on_device = facts.device_budget_bytes > 0;
  const int64_t available = on_device ? facts.device_budget_bytes : available_memory_bytes();
  question.budget_bytes =
      config.max_memory_gb > 0 ? static_cast<int64_t>(1e9 * config.max_memory_gb) : available / 20 * 19;
  question.layers = model.config().layers;
  question.micro_rows = std::max<int64_t>(1, largest.micro);
  question.longest_row = std::max<int64_t>(1, largest.row);
  question.recompute = config.recompute;
  question.arena = [&](const MemoryChoice& choice) { return arena_bytes(model, adapter, choice, largest, true); };
  question.fixed.weights = model.weight_bytes();
  question.fixed.adapter = 8 * adapter.parameter_count();
  if (!on_device) count_host(facts, adapter, rows.size(), question.fixed);
  MemoryPlan plan = plan_memory(question);
  for (const TrainingRows* set : held_out) {
    const Largest eval = upper_bound(*set, config, question.may_split);
    const MemoryBytes training = arena_bytes(model, adapter, plan.choice, largest, true);
    const MemoryBytes evaluation = arena_bytes(model, adapter, {eval.micro, RecomputeChoice::none, 0}, eval, false);
    plan.bytes.evaluation = std::max(plan.bytes.evaluation, evaluation.total() - training.total());
  }
  return plan;
}

}  // namespace afina::finetune
