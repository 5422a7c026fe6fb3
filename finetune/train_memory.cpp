// SPDX-License-Identifier: Apache-2.0
#include "finetune/train_memory.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "model/arena_plan.h"

namespace afina::finetune {
namespace {

/// The most rows of the packed layout that one micro-batch can have: its longest rows together, cut by the bound.
struct Largest {
  int64_t micro = 0, row = 0;
};

Largest largest_micro_batch(const TrainingRows& rows, const RunConfig& config, bool may_split) {
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
  return out;
}

MemoryBytes arena_bytes(const model::Model& model, const lora::AdapterSet& adapter, const MemoryChoice& choice,
                        int64_t longest, bool keep) {
  model::ArenaRequest request;
  request.rows = choice.micro_rows;
  request.target_rows = choice.micro_rows;
  request.positions = longest;
  request.keep = keep;
  model::describe_adapter(model.config(), adapter, request);
  request.recompute = to_engine(choice.recompute);
  request.recompute_layers = choice.recompute_layers;
  const model::ArenaBytes bytes = model::plan_arena(model.config(), request).bytes;
  MemoryBytes out;
  out.activations = bytes.activations + bytes.rope;
  out.work = std::max(bytes.work, bytes.head());  // the two share their place
  return out;
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
  const Largest largest = largest_micro_batch(rows, config, question.may_split);
  question.budget_bytes =
      config.max_memory_gb > 0 ? static_cast<int64_t>(1e9 * config.max_memory_gb) : available_memory_bytes() / 20 * 19;
  question.layers = model.config().layers;
  question.micro_rows = std::max<int64_t>(1, largest.micro);
  question.longest_row = std::max<int64_t>(1, largest.row);
  question.recompute = config.recompute;
  question.arena = [&](const MemoryChoice& choice) { return arena_bytes(model, adapter, choice, largest.row, true); };
  question.fixed.program = facts.program_bytes;
  question.fixed.weights = model.weight_bytes();
  question.fixed.adapter = 8 * adapter.parameter_count();
  question.fixed.optimiser = facts.optimiser_bytes;
  question.fixed.data = facts.data_bytes;
  if (facts.has_reference) question.fixed.reference = 2 * static_cast<int64_t>(sizeof(double)) * rows.size();
  MemoryPlan plan = plan_memory(question);
  for (const TrainingRows* set : held_out) {
    const Largest eval = largest_micro_batch(*set, config, question.may_split);
    const MemoryBytes training = arena_bytes(model, adapter, plan.choice, largest.row, true);
    const MemoryBytes evaluation = arena_bytes(model, adapter, {eval.micro, RecomputeChoice::none, 0}, eval.row, false);
    plan.bytes.evaluation = std::max(plan.bytes.evaluation, evaluation.total() - training.total());
  }
  return plan;
}

}  // namespace afina::finetune
