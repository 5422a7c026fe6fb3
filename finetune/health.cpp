// SPDX-License-Identifier: Apache-2.0
#include "finetune/health.h"

#include <algorithm>
#include <cstdio>
#include <numbers>
#include <numeric>

#include "base/cat.h"
#include "finetune/config/metric_names.h"

namespace afina::finetune {
namespace {

constexpr double kFirstLossTolerance = 1e-3;  // bf16 products of packed and of single rows differ by less
constexpr int64_t kZeroRatesBorne = 2;        // warm-up begins with one
constexpr size_t kGradientWindow = 50, kGradientsNeeded = 20;
constexpr double kSpikeDeviations = 10.0, kSpikeFactor = 3.0;
constexpr size_t kLossWindow = 10;
constexpr double kLossFactor = 1.5, kLossSlack = 0.1;
constexpr size_t kAccuracyWindow = 20;
constexpr double kChance = 0.45;
constexpr size_t kPairWindow = 256, kPairsNeeded = 64;
constexpr double kChosenFall = 1.0;  // nats an answer
constexpr double kMarginWon = 0.5;   // nats a pair
constexpr double kLengthCorrelation = 0.5;
constexpr size_t kRowsKept = 10'000;
constexpr int kSightings = 3;
constexpr double kFlatLoss = 1e-6;
constexpr int64_t kFlatRowsNeeded = 10;
constexpr double kFlatShare = 0.05;
constexpr size_t kEvaluations = 3;
constexpr double kEvaluationRise = 0.005;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<double> copy_of(const std::deque<double>& window) {
  return {window.begin(), window.end()};
}

void push(std::deque<double>& window, double value, size_t most) {
  window.push_back(value);
  if (window.size() > most) window.pop_front();
}

/// Pearson's r; 0 where one of the two does not vary.
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0.0, aa = 0.0, bb = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 1e-12 && bb > 1e-12 ? ab / std::sqrt(aa * bb) : 0.0;
}

const datasets::Sequence* side_of(const datasets::PackedBatch& batch, const datasets::ExampleRef& example, int side) {
  for (int i = 0; i < example.n_sequences; ++i) {
    const auto& sequence = batch.sequences[static_cast<size_t>(example.first_sequence + i)];
    if (sequence.side == side) return &sequence;
  }
  return nullptr;
}

bool same_tokens(const datasets::PackedBatch& batch, const datasets::Sequence& a, const datasets::Sequence& b) {
  const auto first = batch.targets.begin() + a.first_target;
  return a.n_targets == b.n_targets && std::equal(first, first + a.n_targets, batch.targets.begin() + b.first_target,
                                                  [](const auto& x, const auto& y) { return x.token == y.token; });
}

}  // namespace

HealthFacts health_facts(RunKind kind, const RunConfig& config, bool policy_is_reference) {
  HealthFacts facts;
  facts.preferences = kind == RunKind::dpo || kind == RunKind::cpo || kind == RunKind::orpo;
  const bool sigmoid = config.loss_type.empty() || config.loss_type == std::vector<std::string>{"sigmoid"};
  const bool plain = sigmoid && config.loss_weights.empty() && config.label_smoothing == 0.0 &&
                     config.margin_scale == 0.0 && !config.use_weighting &&
                     config.f_divergence_type == FDivergence::reverse_kl;
  if (kind == RunKind::dpo && plain && policy_is_reference && config.ld_alpha == 1.0)
    facts.first_loss = std::numbers::ln2;
  return facts;
}

void add_pair_signals(const datasets::PackedBatch& batch, std::span<const double> logp,
                      const dpo::ReferenceLogps* reference, std::vector<PairSignal>& out) {
  const std::vector<double> sums = dpo::sequence_logps(batch, logp);
  for (const auto& example : batch.examples) {
    const auto* chosen = side_of(batch, example, 0);
    const auto* rejected = side_of(batch, example, 1);
    if (chosen == nullptr || rejected == nullptr || side_of(batch, example, 2) != nullptr) continue;
    const auto value = [&](const datasets::Sequence* sequence) {
      const auto at = static_cast<size_t>(sequence - batch.sequences.data());
      return sums[at] - (reference != nullptr ? reference->sequence_logp[at] : 0.0);
    };
    out.push_back({example.row, value(chosen), value(rejected), reference != nullptr,
                   chosen->n_targets - rejected->n_targets, same_tokens(batch, *chosen, *rejected)});
  }
}

std::string health_summary(const std::vector<Verdict>& verdicts) {
  std::string list;
  int64_t errors = 0, warnings = 0;
  for (const auto& verdict : verdicts) {
    errors += verdict.severity == Severity::error ? 1 : 0;
    warnings += verdict.severity == Severity::warning ? 1 : 0;
    if (verdict.severity != Severity::note)
      list += cat(list.empty() ? "" : ", ", verdict.code, " (step ", verdict.step, ")");
  }
  if (list.empty()) return "nothing to report";
  return cat(errors, errors == 1 ? " error, " : " errors, ", warnings,
             warnings == 1 ? " warning: " : " warnings: ", list);
}

void HealthMonitor::say_if(bool holds, Verdict verdict, const std::string& of) {
  const std::string key = cat(verdict.code, " ", of);
  if (!holds) {
    holding_.erase(key);
  } else if (holding_.insert(key).second) {
    news_.push_back(std::move(verdict));
  }
}

std::vector<Verdict> HealthMonitor::take() {
  return std::exchange(news_, {});
}

std::vector<Verdict> HealthMonitor::step(const StepRecord& record) {
  const double* loss = record.find(metric::kLoss);
  if (record.step == 1 && loss != nullptr && !std::isnan(facts_.first_loss)) {
    say_if(
        std::abs(*loss - facts_.first_loss) > kFirstLossTolerance,
        {record.step, Severity::error, "first_loss", *loss,
         cat("The first loss is ", number(*loss), ", but a policy that is its own reference begins at ",
             number(facts_.first_loss), "."),
         "The reference is not the policy at step 0: check the base, the starting adapter and the reference values."});
  }
  check_rate(record);
  check_gradient(record);
  check_loss(record);
  if (facts_.preferences) check_accuracy(record);
  return take();
}

void HealthMonitor::check_rate(const StepRecord& record) {
  const double* rate = record.find(metric::kLearningRate);
  if (rate == nullptr) return;
  rate_is_zero_ = *rate == 0.0;
  zero_rates_ = rate_is_zero_ ? zero_rates_ + 1 : 0;
  say_if(zero_rates_ >= kZeroRatesBorne,
         {record.step, Severity::warning, "learning_rate_zero", *rate,
          cat("The learning rate has been 0 for ", zero_rates_, " steps: nothing is learnt."),
          "Check learning_rate, lr_scheduler_type with its settings, and warmup_steps."});
}

void HealthMonitor::check_gradient(const StepRecord& record) {
  const double* norm = record.find(metric::kGradNorm);
  if (norm == nullptr) return;
  if (gradients_.size() >= kGradientsNeeded) {
    const double middle = median(copy_of(gradients_));
    std::vector<double> distances;
    for (const double g : gradients_)
      distances.push_back(std::abs(g - middle));
    const double deviation = 1.4826 * median(distances);
    say_if(*norm > std::max(middle + kSpikeDeviations * deviation, kSpikeFactor * middle),
           {record.step, Severity::warning, "gradient_spike", *norm,
            cat("The gradient's norm is ", number(*norm), ", against a median of ", number(middle), " in the last ",
                gradients_.size(), " steps."),
            "Look at this step's rows in examples.jsonl; a lower max_grad_norm or learning_rate softens it."});
  }
  push(gradients_, *norm, kGradientWindow);
}

void HealthMonitor::check_loss(const StepRecord& record) {
  const double* loss = record.find(metric::kLoss);
  if (loss == nullptr) return;
  push(losses_, *loss, kLossWindow);
  if (losses_.size() < kLossWindow) return;
  const double now = median(copy_of(losses_));
  lowest_loss_ = std::min(lowest_loss_, now);
  const double bar = lowest_loss_ + std::max(kLossSlack, (kLossFactor - 1.0) * std::abs(lowest_loss_));
  say_if(now > bar, {record.step, Severity::error, "loss_exploding", now,
                     cat("The loss went up to ", number(now), " (median of ", kLossWindow, " steps) after it had been ",
                         number(lowest_loss_), "."),
                     "Lower learning_rate or add warmup_steps, and begin again from an earlier checkpoint."});
}

void HealthMonitor::check_accuracy(const StepRecord& record) {
  const double* accuracy = record.find(metric::kRewardsAccuracies);
  const double* margin = record.find(metric::kRewardsMargins);
  // While the policy is its reference every pair is a tie, which counts as wrong.
  if (accuracy == nullptr || margin == nullptr || std::abs(*margin) < 1e-9) return;
  push(accuracies_, *accuracy, kAccuracyWindow);
  if (accuracies_.size() < kAccuracyWindow) return;
  const double mean = std::accumulate(accuracies_.begin(), accuracies_.end(), 0.0) / kAccuracyWindow;
  say_if(mean < kChance, {record.step, Severity::warning, "accuracy_below_chance", mean,
                          cat("Only ", number(100.0 * mean), " % of pairs are on the right side, over ",
                              kAccuracyWindow, " steps: worse than chance."),
                          "Check that chosen and rejected are not swapped in the data."});
}

PairSignal HealthMonitor::since_start(PairSignal pair) {
  if (pair.has_reference) return pair;
  const auto found = starts_.find(pair.row);
  const Start start = found != starts_.end() ? found->second : Start{pair.chosen, pair.rejected};
  if (found == starts_.end() && starts_.size() < kRowsKept) starts_.emplace(pair.row, start);
  pair.chosen -= start.chosen;
  pair.rejected -= start.rejected;
  return pair;
}

std::vector<Verdict> HealthMonitor::pairs(int64_t step, const std::vector<PairSignal>& pairs) {
  for (const auto& pair : pairs) {
    ++pairs_seen_;
    if (pair.same_answers) ++same_answers_;
    const bool moved = pair.has_reference || starts_.count(pair.row) != 0;
    const PairSignal signal = since_start(pair);
    if (!moved || pair.same_answers) continue;
    pairs_.push_back(signal);
    if (pairs_.size() > kPairWindow) pairs_.pop_front();
  }
  say_if(same_answers_ > 0, {step, Severity::warning, "same_answers", static_cast<double>(same_answers_),
                             cat("Pairs whose two answers are the same, token for token: ", same_answers_,
                                 " of the first ", pairs_seen_, ". They teach nothing."),
                             "Take them out of the data, or raise max_length where the cut made them equal."});
  if (pairs_.size() >= kPairsNeeded) {
    check_moves(step);
    check_lengths(step);
  }
  return take();
}

void HealthMonitor::check_moves(int64_t step) {
  double chosen = 0.0, rejected = 0.0;
  for (const auto& pair : pairs_) {
    chosen += pair.chosen / static_cast<double>(pairs_.size());
    rejected += pair.rejected / static_cast<double>(pairs_.size());
  }
  say_if(chosen < -kChosenFall, {step, Severity::warning, "chosen_falling", chosen,
                                 cat("Chosen answers lost ", number(-chosen), " nats each since the start (mean of ",
                                     pairs_.size(), " pairs): the model writes them less and less."),
                                 "Add an sft term to loss_type, raise beta, or lower learning_rate."});
  const double margin = chosen - rejected;
  say_if(margin > kMarginWon && chosen < 0.0,
         {step, Severity::warning, "rejected_side_only", margin,
          cat("The margin of ", number(margin), " nats is won by the rejected side only: chosen ", number(chosen),
              ", rejected ", number(rejected), "."),
          "Add an sft term to loss_type, or use apo_zero; check that rejected answers are not odd texts."});
}

void HealthMonitor::check_lengths(int64_t step) {
  std::vector<double> margins, lengths;
  for (const auto& pair : pairs_) {
    margins.push_back(pair.chosen - pair.rejected);
    lengths.push_back(static_cast<double>(pair.length_difference));
  }
  const double r = correlation(margins, lengths);
  say_if(std::abs(r) > kLengthCorrelation,
         {step, Severity::warning, "reward_length", r,
          cat("The margin follows the answers' lengths, correlation ", number(r), " over ", pairs_.size(),
              r > 0 ? " pairs: longer is taken for better." : " pairs: shorter is taken for better."),
          "Use sigmoid_norm or ld_alpha below 1, and compare answers of like length."});
}

std::vector<Verdict> HealthMonitor::examples(int64_t step, const std::vector<ExampleLoss>& losses) {
  if (rate_is_zero_) return take();
  for (const auto& example : losses) {
    auto found = row_losses_.find(example.row);
    if (found == row_losses_.end()) {
      if (row_losses_.size() < kRowsKept) row_losses_.emplace(example.row, RowLosses{example.loss, example.loss, 1});
      continue;
    }
    RowLosses& row = found->second;
    const auto is_flat = [&] { return row.times >= kSightings && row.highest - row.lowest < kFlatLoss; };
    const bool was_flat = is_flat();
    row.lowest = std::min(row.lowest, example.loss);
    row.highest = std::max(row.highest, example.loss);
    if (++row.times == kSightings) ++rows_seen_thrice_;
    flat_rows_ += static_cast<int64_t>(is_flat()) - static_cast<int64_t>(was_flat);
  }
  const double share = static_cast<double>(flat_rows_) / static_cast<double>(std::max<int64_t>(1, rows_seen_thrice_));
  say_if(flat_rows_ >= kFlatRowsNeeded && share >= kFlatShare,
         {step, Severity::warning, "rows_without_signal", static_cast<double>(flat_rows_),
          cat("Rows whose loss never moves: ", flat_rows_, " of ", rows_seen_thrice_, " seen ", kSightings,
              " times or more. They teach nothing."),
          "Find them in examples.jsonl; pairs with equal answers or saturated losses can be left out."});
  return take();
}

std::vector<Verdict> HealthMonitor::evaluated(const StepRecord& record) {
  if (losses_.empty()) return take();
  const double train = median(copy_of(losses_));
  for (const auto& [name, value] : record.values) {
    if (!name.starts_with(metric::kEvalPrefix) || !name.ends_with(cat("_", metric::kLoss))) continue;
    Evaluations& past = evaluations_[name];
    push(past.held_out, value, kEvaluations);
    push(past.train, train, kEvaluations);
    const auto rises = [](const std::deque<double>& v) { return std::is_sorted(v.begin(), v.end()); };
    const double gain = value - past.held_out.front();
    const bool overfits = past.held_out.size() == kEvaluations && rises(past.held_out) &&
                          gain > kEvaluationRise * std::abs(past.held_out.front()) &&
                          past.train.back() < past.train.front();
    say_if(overfits,
           {record.step, Severity::warning, "overfitting", gain,
            cat("Over ", kEvaluations, " evaluations ", name, " rose by ", number(gain), " to ", number(value),
                " while the training loss fell to ", number(train), "."),
            "Stop earlier (early_stopping_patience, load_best_model_at_end), or train fewer epochs."},
           name);
  }
  return take();
}

}  // namespace afina::finetune
