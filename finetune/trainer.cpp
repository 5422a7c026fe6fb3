// SPDX-License-Identifier: Apache-2.0
#include "finetune/trainer.h"

#include <ATen/ops/zeros.h>

#include <cmath>
#include <numeric>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "finetune/config/metric_names.h"

namespace afina::finetune {
namespace {

constexpr int kFailedSavesAllowed = 2;

std::span<float> span_of(at::Tensor& flat_P) {
  AFINA_CHECK(flat_P.is_contiguous() && flat_P.scalar_type() == at::kFloat, "flat fp32 tensors");
  return {flat_P.data_ptr<float>(), static_cast<size_t>(flat_P.numel())};
}

AdamWOptions adamw_options(const RunConfig& config) {
  return {config.adam_beta1, config.adam_beta2, config.adam_epsilon, config.weight_decay};
}

int64_t steps_of_run(const RunConfig& config, const BatchSource& batches) {
  return total_steps(config, steps_per_epoch(batches.micro_batches_per_epoch(), config.gradient_accumulation_steps));
}

}  // namespace

Trainer::Trainer(const RunConfig& config, TrainerParts parts)
    : config_(config),
      parts_(std::move(parts)),
      total_steps_(steps_of_run(config, parts_.batches)),
      schedule_(config.lr_scheduler_type, warmup_steps(config, total_steps_), total_steps_),
      optimiser_(parts_.policy.parameters().numel(), adamw_options(config)),
      gradient_P_(at::zeros({parts_.policy.parameters().numel()}, at::kFloat)),
      cursor_(parts_.batches.cursor()) {
  AFINA_CHECK(!parts_.objective.needs_reference() || parts_.reference != nullptr, "a reference for this objective");
}

std::span<float> Trainer::parameters() {
  return span_of(parts_.policy.parameters());
}

TrainState Trainer::state() const {
  const at::Tensor& flat_P = parts_.policy.parameters();
  const float* data = flat_P.const_data_ptr<float>();
  return {
      step_, cursor_, num_tokens_, examples_seen_, std::vector<float>(data, data + flat_P.numel()), optimiser_.state()};
}

void Trainer::restore(const Checkpoint& checkpoint) {
  require_same_run(parts_.identity, identity_from_json(checkpoint.facts));
  TrainState state = load_train_state(checkpoint.folder, gradient_P_.numel());
  parts_.batches.seek(state.cursor);
  std::copy(state.parameters.begin(), state.parameters.end(), parameters().begin());
  optimiser_.restore(std::move(state.optimiser));
  step_ = state.step;
  cursor_ = state.cursor;
  num_tokens_ = state.num_tokens;
  examples_seen_ = state.examples_seen;
  saved_step_ = step_;
}

void Trainer::save_checkpoint(bool must_succeed) {
  if (saved_step_ == step_) return;
  try {
    const auto folder =
        parts_.checkpoints.save(step_, to_json(parts_.identity), [&](const std::filesystem::path& target) {
          save_train_state(target, state());
          parts_.policy.save_adapter(target / "adapter");
        });
    saved_step_ = step_;
    failed_saves_ = 0;
  } catch (const StorageError& error) {
    if (must_succeed || ++failed_saves_ > kFailedSavesAllowed) throw;
    log_warning("finetune", "no checkpoint at step ", step_, ", the older ones stand: ", error.what());
  }
}

void Trainer::stop_for_rows(const std::string& what, const datasets::PackedBatch& batch) {
  constexpr size_t kNamed = 8;
  std::string rows;
  for (size_t i = 0; i < batch.examples.size() && i < kNamed; ++i) {
    rows += cat(i == 0 ? "" : ", ", parts_.rows.name(batch.examples[i].row));
  }
  if (batch.examples.size() > kNamed) rows += cat(" and ", batch.examples.size() - kNamed, " more");
  save_checkpoint(false);
  throw ModelError(
      cat("[finetune] loss and gradient must be finite, but got ", what, " at step ", step_ + 1, " in ", rows, "."),
      "the checkpoint before this step is kept; look at these rows, or lower learning_rate");
}

void Trainer::micro_step(const datasets::PackedBatch& batch, int64_t index, const datasets::Divisors& divisors,
                         StepSums& sums) {
  const model::DropoutKey dropout{config_.lora_dropout > 0.0, static_cast<uint64_t>(config_.seed),
                                  static_cast<uint64_t>(step_), static_cast<uint64_t>(index)};
  const model::TokenStats stats = parts_.policy.forward(batch, dropout);
  std::optional<dpo::ReferenceLogps> reference;
  if (parts_.objective.needs_reference()) reference = parts_.reference->of(batch);
  std::vector<double> dloss_dlogp(batch.targets.size());
  const dpo::ObjectiveResult result = parts_.objective.evaluate({.batch = batch,
                                                                 .policy = {stats.logp, stats.log_sum_p2},
                                                                 .reference = reference ? &*reference : nullptr,
                                                                 .divisors = divisors},
                                                                dloss_dlogp);
  if (!std::isfinite(result.loss)) stop_for_rows(cat("a loss of ", result.loss), batch);
  parts_.policy.backward(batch, dropout, dloss_dlogp, gradient_P_);
  sums.add(batch, stats, result);
}

void Trainer::require_finite_gradient(double norm, const datasets::OptimiserBatch& batch) {
  if (std::isfinite(norm)) return;
  const auto gradient = span_of(gradient_P_);
  size_t at = 0;
  while (at < gradient.size() && std::isfinite(gradient[at]))
    ++at;
  const std::string where =
      at < gradient.size() ? cat(" (first in ", parts_.policy.parameter_name(static_cast<int64_t>(at)), ")") : "";
  datasets::PackedBatch all;
  for (const auto& micro : batch.micro)
    all.examples.insert(all.examples.end(), micro.examples.begin(), micro.examples.end());
  stop_for_rows(cat("a gradient norm of ", norm, where), all);
}

bool Trainer::train_step(const datasets::OptimiserBatch& batch, std::stop_token stop, StepRecord& record) {
  const Stopwatch watch;
  gradient_P_.zero_();
  StepSums sums;
  for (size_t i = 0; i < batch.micro.size(); ++i) {
    if (stop.stop_requested()) return false;
    micro_step(batch.micro[i], static_cast<int64_t>(i), batch.divisors, sums);
  }
  const double norm = global_norm(span_of(gradient_P_));
  require_finite_gradient(norm, batch);
  clip_gradient(span_of(gradient_P_), norm, config_.max_grad_norm);
  const double rate = config_.learning_rate * schedule_.factor(step_);
  optimiser_.step(parameters(), span_of(gradient_P_), rate);
  ++step_;
  num_tokens_ += sums.tokens;
  examples_seen_ += static_cast<int64_t>(sums.examples.size());
  cursor_ = parts_.batches.cursor();
  record.step = step_;
  record.values = {{metric::kLoss, sums.loss},
                   {metric::kGradNorm, norm},
                   {metric::kLearningRate, rate},
                   {metric::kEpoch, static_cast<double>(examples_seen_) / static_cast<double>(parts_.rows.size())},
                   {metric::kNumTokens, static_cast<double>(num_tokens_)},
                   {metric::kTokensPerSecond, static_cast<double>(sums.tokens) / std::max(watch.seconds(), 1e-9)}};
  sums.append_means("", record);
  parts_.sink.examples(step_, sums.examples);
  return true;
}

void Trainer::evaluate(StepRecord& record, std::stop_token stop) {
  auto values = evaluate_rows(parts_.policy, parts_.objective, parts_.evaluation, config_, stop);
  record.values.insert(record.values.end(), values.begin(), values.end());
}

RunOutcome Trainer::run(std::stop_token stop) {
  const Stopwatch watch;
  parts_.sink.begin(step_, total_steps_);
  const auto due = [&](int64_t every) { return (every > 0 && step_ % every == 0) || step_ == total_steps_; };
  StepRecord record;
  bool stopped = false;
  while (step_ < total_steps_ && !stopped) {
    StepRecord next;
    const datasets::OptimiserBatch batch = parts_.batches.next();
    if (!train_step(batch, stop, next)) {
      stopped = true;
      break;
    }
    const bool evaluates = parts_.evaluation.rows != nullptr && due(config_.eval_steps);
    if (evaluates) evaluate(next, stop);
    if (evaluates || due(config_.logging_steps)) parts_.sink.record(next);
    record = std::move(next);
    if (due(config_.save_steps)) save_checkpoint(step_ == total_steps_);
    stopped = stop.stop_requested() && step_ < total_steps_;
  }
  if (stopped) {
    save_checkpoint(true);
    throw Cancelled(cat("[finetune] stopped after step ", step_, " of ", total_steps_, "; a checkpoint is written."),
                    "the same command with --resume goes on");
  }
  return {step_, examples_seen_, num_tokens_, watch.seconds(), std::move(record)};
}

std::vector<std::pair<std::string, double>> evaluate_rows(Policy& policy, dpo::Objective& objective,
                                                          const EvaluationSet& set, const RunConfig& config,
                                                          std::stop_token stop) {
  std::vector<datasets::PackedBatch> batches;
  datasets::Divisors divisors;
  std::vector<int64_t> rows(static_cast<size_t>(set.rows->size()));
  std::iota(rows.begin(), rows.end(), 0);
  const auto batch_rows = static_cast<size_t>(config.per_device_train_batch_size);
  for (size_t first = 0; first < rows.size(); first += batch_rows) {
    const auto group = std::span<const int64_t>(rows).subspan(first, std::min(batch_rows, rows.size() - first));
    for (const auto& part : split_by_tokens(*set.rows, group, config.tokens_per_micro_batch)) {
      batches.push_back(set.rows->pack(part));
      divisors += objective.divisor_share(batches.back());
    }
  }
  StepSums sums;
  for (const auto& batch : batches) {
    if (stop.stop_requested()) return {};
    const model::TokenStats stats = policy.evaluate(batch, true);
    std::optional<dpo::ReferenceLogps> reference;
    if (objective.needs_reference()) reference = set.reference->of(batch);
    std::vector<double> unused(batch.targets.size());
    sums.add(batch, stats,
             objective.evaluate({.batch = batch,
                                 .policy = {stats.logp, stats.log_sum_p2},
                                 .reference = reference ? &*reference : nullptr,
                                 .divisors = divisors,
                                 .training = false},
                                unused));
  }
  StepRecord record;
  record.values.emplace_back(metric::eval(metric::kLoss), sums.loss);
  sums.append_means(metric::kEvalPrefix, record);
  return record.values;
}

}  // namespace afina::finetune
