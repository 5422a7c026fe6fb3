// SPDX-License-Identifier: Apache-2.0
// Whether a run is well, said in sentences while it trains: each verdict names the number that made it speak and what
// to do about it. Reads what the loop records anyway; changes nothing. No LibTorch.
#pragma once
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "datasets/batch/packed_batch.h"
#include "dpo/objective.h"
#include "finetune/config/run_config.h"
#include "finetune/run_sink.h"

namespace afina::finetune {

/// What the verdicts need to know of the run beside its numbers.
struct HealthFacts {
  double first_loss = std::nan("");  ///< what the first step's loss must be; NaN: no such identity holds
  bool preferences = false;          ///< rows are pairs of a chosen and a rejected answer
};

/// The facts of a run. policy_is_reference: the reference is the policy at step 0 (DPO's default, or any reference with
/// a fresh adapter); DPO's sigmoid loss without smoothing then begins at ln 2 wherever margins are 0.
HealthFacts health_facts(RunKind kind, const RunConfig& config, bool policy_is_reference);

/// One pair as one step saw it, before the update. Nats, summed over the answer's targets.
struct PairSignal {
  int64_t row = 0;
  double chosen = 0.0, rejected = 0.0;  ///< log-probability, less the reference's where there is one
  bool has_reference = false;
  int64_t length_difference = 0;  ///< target tokens, chosen − rejected
  bool same_answers = false;      ///< token for token
};

/// Appends the pairs of a batch; examples that are no pairs are passed over. reference: null where there is none.
void add_pair_signals(const datasets::PackedBatch& batch, std::span<const double> logp,
                      const dpo::ReferenceLogps* reference, std::vector<PairSignal>& out);

/// One line for a run's end: "1 error, 2 warnings: first_loss (step 1), reward_length (step 40), …"; "nothing to
/// report" where there is none.
std::string health_summary(const std::vector<Verdict>& verdicts);

/// Fed in order of steps by the training thread; not thread-safe. Codes of verdicts: first_loss, learning_rate_zero,
/// gradient_spike, loss_exploding, accuracy_below_chance, chosen_falling, rejected_side_only, reward_length,
/// same_answers, rows_without_signal, overfitting. A run that is resumed begins with fresh windows. Keeps at most
/// 10,000 rows in memory.
class HealthMonitor {
 public:
  explicit HealthMonitor(HealthFacts facts) : facts_(facts) {}
  void expect_first_loss(double loss) { facts_.first_loss = loss; }

  /// Each returns what became true with it: a verdict is given once, and again only after it ceased to hold.
  std::vector<Verdict> step(const StepRecord& record);
  std::vector<Verdict> pairs(int64_t step, const std::vector<PairSignal>& pairs);
  std::vector<Verdict> examples(int64_t step, const std::vector<ExampleLoss>& losses);
  /// A record with held-out values.
  std::vector<Verdict> evaluated(const StepRecord& record);

 private:
  struct RowLosses {
    double lowest, highest;
    int times;
  };
  struct Start {
    double chosen, rejected;
  };
  void check_rate(const StepRecord& record);
  void check_gradient(const StepRecord& record);
  void check_loss(const StepRecord& record);
  void check_accuracy(const StepRecord& record);
  void check_moves(int64_t step);
  void check_lengths(int64_t step);
  PairSignal since_start(PairSignal pair);
  /// Says it when it begins to hold; forgets it when it no longer does. of: what it is said of, where one code has
  /// several.
  void say_if(bool holds, Verdict verdict, const std::string& of = "");
  std::vector<Verdict> take();

  HealthFacts facts_;
  std::set<std::string> holding_;
  std::vector<Verdict> news_;
  std::deque<double> gradients_, losses_, accuracies_;
  std::deque<PairSignal> pairs_;
  std::unordered_map<int64_t, RowLosses> row_losses_;
  std::unordered_map<int64_t, Start> starts_;
  double lowest_loss_ = INFINITY;
  int64_t zero_rates_ = 0, pairs_seen_ = 0, same_answers_ = 0, rows_seen_thrice_ = 0, flat_rows_ = 0;
  bool rate_is_zero_ = false;
  struct Evaluations {
    std::deque<double> held_out, train;
  };
  std::map<std::string, Evaluations> evaluations_;
};

}  // namespace afina::finetune
