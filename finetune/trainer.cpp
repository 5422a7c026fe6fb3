// SPDX-License-Identifier: Apache-2.0
#include "finetune/trainer.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "finetune/config/memory_plan.h"
#include "finetune/config/metric_names.h"
#include "finetune/optim/gradient_norm.h"

namespace afina::finetune {
namespace {

constexpr int kFailedSavesAllowed = 2;
constexpr size_t kVerdictsKept = 100;

std::span<float> span_of(at::Tensor& flat_P) {
  AFINA_CHECK(flat_P.is_contiguous() && flat_P.scalar_type() == at::kFloat, "flat fp32 tensors");
  return {flat_P.data_ptr<float>(), static_cast<size_t>(flat_P.numel())};
}

std::unique_ptr<Optimiser> optimiser_of(const RunConfig& config, Policy& policy) {
  std::vector<ParameterBlock> blocks = policy.blocks();
  set_rate_factors(config, blocks);
  return make_optimiser(config, blocks, policy.parameters().numel());
}

int64_t steps_of_run(const RunConfig& config, const BatchSource& batches) {
  return total_steps(config, steps_per_epoch(batches.micro_batches_per_epoch(), config.gradient_accumulation_steps));
}

std::vector<int64_t> rows_of(const datasets::PackedBatch& batch) {
  std::vector<int64_t> rows;
  for (const auto& example : batch.examples)
    rows.push_back(example.row);
  return rows;
}

bool has_margins(const datasets::OptimiserBatch& batch) {
  for (const auto& micro : batch.micro) {
    for (const auto& example : micro.examples)
      if (example.margin != 0.0) return true;
  }
  return false;
}

}  // namespace

Trainer::Trainer(const RunConfig& config, TrainerParts parts)
    : config_(config),
      parts_(std::move(parts)),
      total_steps_(steps_of_run(config, parts_.batches)),
      schedule_(config.lr_scheduler_type, config.learning_rate, warmup_steps(config, total_steps_), total_steps_,
                schedule_options(config)),
      optimiser_(optimiser_of(config, parts_.policy)),
      best_(config),
      health_(parts_.health),
      gradient_P_(at::zeros({parts_.policy.parameters().numel()}, at::kFloat)),
      cursor_(parts_.batches.cursor()),
      objective_state_(parts_.objective.state()) {
  AFINA_CHECK(!parts_.objective.needs_reference() || parts_.reference != nullptr, "a reference for this objective");
  if (parts_.evaluation.empty() && (best_.wanted() || schedule_.watches_evaluation())) {
    throw UsageError(
        "[config] early_stopping_patience, load_best_model_at_end and reduce_lr_on_plateau must have held-out rows, "
        "but none are given.",
        "hold rows out, or leave these settings");
  }
}

std::span<float> Trainer::parameters() {
  return span_of(parts_.policy.parameters());
}

TrainState Trainer::state() const {
  const at::Tensor& flat_P = parts_.policy.parameters();
  const float* data = flat_P.const_data_ptr<float>();
  return {step_,
          cursor_,
          num_tokens_,
          examples_seen_,
          std::vector<float>(data, data + flat_P.numel()),
          optimiser_->state(),
          objective_state_,
          schedule_.state(),
          best_.state(),
          evaluation_due_};
}

void Trainer::restore(const Checkpoint& checkpoint) {
  require_same_run(parts_.identity, identity_from_json(checkpoint.facts));
  const TrainState state = load_train_state(checkpoint.folder, gradient_P_.numel());
  optimiser_->restore(state.optimiser);
  parts_.objective.restore(state.objective);
  schedule_.restore(state.schedule);
  best_.restore(state.best_model);
  parts_.batches.seek(state.cursor);
  std::copy(state.parameters.begin(), state.parameters.end(), parameters().begin());
  parts_.policy.parameters_changed();
  step_ = state.step;
  cursor_ = state.cursor;
  num_tokens_ = state.num_tokens;
  examples_seen_ = state.examples_seen;
  objective_state_ = state.objective;
  evaluation_due_ = state.evaluation_due;
  saved_step_ = step_;
  // Its process may have ended between writing this checkpoint and naming it the best.
  if (best_.wanted() && best_.step() == step_) parts_.checkpoints.mark_best(step_);
}

bool Trainer::save_checkpoint(bool must_succeed) {
  if (saved_step_ == step_) return true;
  try {
    parts_.sink.flush(step_);
    parts_.checkpoints.save(step_, to_json(parts_.identity), [&](const std::filesystem::path& target) {
      save_train_state(target, state());
      parts_.policy.save_adapter(target / "adapter");
    });
    saved_step_ = step_;
    failed_saves_ = 0;
    return true;
  } catch (const StorageError& error) {
    if (must_succeed || ++failed_saves_ > kFailedSavesAllowed) throw;
    log_warning("finetune", "no checkpoint at step ", step_, ", the older ones stand: ", error.what());
    return false;
  }
}

void Trainer::stop_for_rows(const std::string& what, const std::vector<int64_t>& rows) {
  constexpr size_t kNamed = 8;
  std::string names;
  for (size_t i = 0; i < rows.size() && i < kNamed; ++i)
    names += cat(i == 0 ? "" : ", ", parts_.rows.name(rows[i]));
  if (rows.size() > kNamed) names += cat(" and ", rows.size() - kNamed, " more");
  const std::string layer = parts_.policy.first_bad_layer();
  save_checkpoint(false);
  throw ModelError(cat("[finetune] log-probabilities, loss and gradient must be finite, but got ", what,
                       layer.empty() ? "" : ", first in " + layer, ", at step ", step_ + 1, " in ", names, "."),
                   "the checkpoint before this step is kept; look at these rows, or lower learning_rate");
}

void Trainer::require_finite_logps(const datasets::PackedBatch& batch, std::span<const double> logp) {
  std::vector<int64_t> rows;
  double first = 0.0;
  for (const auto& sequence : batch.sequences) {
    const auto values =
        logp.subspan(static_cast<size_t>(sequence.first_target), static_cast<size_t>(sequence.n_targets));
    const auto bad = std::find_if(values.begin(), values.end(), [](double value) { return !std::isfinite(value); });
    if (bad == values.end()) continue;
    if (rows.empty()) first = *bad;
    const int64_t row = batch.examples[static_cast<size_t>(sequence.example)].row;
    if (rows.empty() || rows.back() != row) rows.push_back(row);
  }
  if (!rows.empty()) stop_for_rows(cat("a log-probability of ", first), rows);
}

std::optional<dpo::ReferenceLogps> Trainer::reference_of(const datasets::PackedBatch& batch) {
  if (!parts_.objective.needs_reference()) return std::nullopt;
  try {
    return parts_.reference->of(batch);
  } catch (const ModelError&) {
    save_checkpoint(false);
    throw;
  }
}

void Trainer::micro_step(const datasets::PackedBatch& batch, int64_t index, const datasets::Divisors& divisors,
                         StepSums& sums) {
  const model::DropoutKey dropout{config_.lora_dropout > 0.0, static_cast<uint64_t>(config_.seed),
                                  static_cast<uint64_t>(step_), static_cast<uint64_t>(index)};
  // Before forward(): a row that is met for the first time is computed in the same arena.
  const std::optional<dpo::ReferenceLogps> reference = reference_of(batch);
  const model::TokenStats stats = parts_.policy.forward(batch, dropout);
  require_finite_logps(batch, stats.logp);
  std::vector<double> dloss_dlogp(batch.targets.size());
  const dpo::ObjectiveResult result = parts_.objective.evaluate({.batch = batch,
                                                                 .policy = {stats.logp, stats.log_sum_p2},
                                                                 .reference = reference ? &*reference : nullptr,
                                                                 .divisors = divisors},
                                                                dloss_dlogp);
  if (!std::isfinite(result.loss)) stop_for_rows(cat("a loss of ", result.loss), rows_of(batch));
  if (parts_.health.preferences) add_pair_signals(batch, stats.logp, reference ? &*reference : nullptr, pair_signals_);
  parts_.policy.backward(batch, dropout, dloss_dlogp, gradient_P_);
  sums.add(batch, stats, result);
}

void Trainer::require_finite_gradient(double norm, const datasets::OptimiserBatch& batch) {
  if (std::isfinite(norm)) return;
  const auto gradient = span_of(gradient_P_);
  const auto bad = std::find_if(gradient.begin(), gradient.end(), [](float value) { return !std::isfinite(value); });
  const std::string where =
      bad == gradient.end() ? "" : cat(" (first in ", parts_.policy.parameter_name(bad - gradient.begin()), ")");
  std::vector<int64_t> rows;
  for (const auto& micro : batch.micro)
    for (const auto& example : micro.examples)
      rows.push_back(example.row);
  stop_for_rows(cat("a gradient norm of ", norm, where), rows);
}

bool Trainer::train_step(const datasets::OptimiserBatch& batch, std::stop_token stop, StepRecord& record) {
  const Stopwatch watch;
  gradient_P_.zero_();
  pair_signals_.clear();
  StepSums sums;
  for (size_t i = 0; i < batch.micro.size(); ++i) {
    if (stop.stop_requested()) return false;
    micro_step(batch.micro[i], static_cast<int64_t>(i), batch.divisors, sums);
  }
  parts_.policy.collect_gradient(gradient_P_);
  const double norm = global_norm(span_of(gradient_P_));
  require_finite_gradient(norm, batch);
  clip_gradient(span_of(gradient_P_), norm, config_.max_grad_norm);
  const double rate = schedule_.rate(step_);
  optimiser_->step(parameters(), span_of(gradient_P_), rate);
  parts_.policy.parameters_changed();
  finish_step(batch, sums);
  record.step = step_;
  record.values = {{metric::kLoss, sums.loss},
                   {metric::kGradNorm, norm},
                   {metric::kLearningRate, rate},
                   {metric::kEpoch, static_cast<double>(examples_seen_) / static_cast<double>(parts_.rows.size())},
                   {metric::kNumTokens, static_cast<double>(num_tokens_)},
                   {metric::kTokensPerSecond, static_cast<double>(sums.tokens) / std::max(watch.seconds(), 1e-9)}};
  sums.append_means("", record);
  parts_.sink.examples(step_, sums.examples);
  watch_health(record, sums);
  return true;
}

void Trainer::finish_step(const datasets::OptimiserBatch& batch, const StepSums& sums) {
  ++step_;
  num_tokens_ += sums.tokens;
  examples_seen_ += static_cast<int64_t>(sums.examples.size());
  cursor_ = parts_.batches.cursor();
  objective_state_ = parts_.objective.state();
  if (step_ == 1 && has_margins(batch)) health_.expect_first_loss(std::nan(""));
}

void Trainer::watch_health(const StepRecord& record, const StepSums& sums) {
  pass_on(health_.step(record));
  pass_on(health_.examples(step_, sums.examples));
  pass_on(health_.pairs(step_, pair_signals_));
}

void Trainer::pass_on(std::vector<Verdict> verdicts) {
  for (auto& verdict : verdicts) {
    parts_.sink.verdict(verdict);
    if (verdicts_.size() < kVerdictsKept) verdicts_.push_back(std::move(verdict));
  }
}

bool Trainer::evaluate(StepRecord& record, std::stop_token stop) {
  std::vector<std::pair<std::string, double>> all;
  for (const auto& set : parts_.evaluation) {
    const auto values = evaluate_rows(parts_.policy, parts_.objective, set, config_, stop);
    if (values.empty()) return false;
    all.insert(all.end(), values.begin(), values.end());
  }
  record.values.insert(record.values.end(), all.begin(), all.end());
  evaluation_due_ = false;
  best_.evaluated(record);
  if (schedule_.watches_evaluation()) {
    const double* value = record.find(best_.metric());
    if (value == nullptr)
      throw UsageError(cat("[config] metric_for_best_model must be a held-out value, but got '", best_.metric(), "'."));
    schedule_.evaluated(*value);
  }
  pass_on(health_.evaluated(record));
  return true;
}

void Trainer::load_best() {
  const auto checkpoint = parts_.checkpoints.best();
  if (!checkpoint || checkpoint->step != best_.step()) {
    throw StorageError(
        cat("[finetune] the best checkpoint, of step ", best_.step(), ", must be whole, but it is not there."),
        "the newest checkpoint holds the last step's adapter");
  }
  const std::vector<float> best = load_parameters(checkpoint->folder, gradient_P_.numel());
  std::copy(best.begin(), best.end(), parameters().begin());
  parts_.policy.parameters_changed();
  log_info("finetune", "the adapter is that of step ", best_.step(), ", the best by ", best_.metric(), " (",
           best_.value(), ")");
}

bool Trainer::step_and_record(std::stop_token stop, StepRecord& record) {
  const auto due = [&](int64_t every) { return (every > 0 && step_ % every == 0) || step_ == total_steps_; };
  StepRecord next;
  const datasets::OptimiserBatch batch = parts_.batches.next();
  if (!train_step(batch, stop, next)) return false;
  evaluation_due_ = !parts_.evaluation.empty() && due(config_.eval_steps);
  const bool evaluates = evaluation_due_;
  const bool whole = !evaluates || evaluate(next, stop);
  if (evaluates || due(config_.logging_steps)) parts_.sink.record(next);
  record = std::move(next);
  const bool is_best = evaluates && whole && best_.wanted() && best_.step() == step_;
  if (whole && (is_best || due(config_.save_steps)) && save_checkpoint(step_ == total_steps_) && is_best)
    parts_.checkpoints.mark_best(step_);
  return whole && !(stop.stop_requested() && step_ < total_steps_);
}

RunOutcome Trainer::run(std::stop_token stop) {
  const Stopwatch watch;
  parts_.sink.begin(step_, total_steps_);
  StepRecord record{step_, {}};
  bool goes_on = true;
  if (evaluation_due_) {
    goes_on = evaluate(record, stop);
    if (goes_on) parts_.sink.record(record);
    if (goes_on && best_.wanted() && best_.step() == step_) parts_.checkpoints.mark_best(step_);
  }
  while (goes_on && step_ < total_steps_ && !best_.should_stop())
    goes_on = step_and_record(stop, record);
  if (!goes_on) {
    save_checkpoint(true);
    throw Cancelled(cat("[finetune] stopped after step ", step_, " of ", total_steps_, "; a checkpoint is written."),
                    "the same command with --resume goes on");
  }
  save_checkpoint(true);
  if (config_.load_best_model_at_end) load_best();
  return {
      step_,        examples_seen_, num_tokens_,           watch.seconds(),     std::move(record), step_ < total_steps_,
      best_.step(), best_.value(),  peak_resident_bytes(), optimiser_->bytes(), verdicts_};
}

}  // namespace afina::finetune
