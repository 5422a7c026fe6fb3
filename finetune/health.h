// SPDX-License-Identifier: Apache-2.0
// Whether a run is well, said in sentences while it trains: each verdict names the number that made it speak and what
// to do about it. Reads what the loop records anyway; changes nothing. No LibTorch.
#pragma once
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "finetune/run_sink.h"

namespace afina::finetune {

/// What the verdicts need to know of the run beside its numbers.
struct HealthFacts {
  /// The first step's loss must be this (ln 2 of DPO's sigmoid loss on a policy that is its own reference, with m = 0
  /// and no smoothing); NaN: no such identity holds.
  double first_loss = std::nan("");
  bool preferences = false;  ///< rewards of chosen and rejected answers are recorded
};

/// One pair as one step saw it, before the update.
struct PairSignal {
  int64_t row = 0;
  double logratio_difference = 0.0;  ///< Δ, nats: (policy − reference) of the chosen minus that of the rejected answer
  int64_t length_difference = 0;     ///< target tokens, chosen − rejected
  bool same_answers = false;         ///< token for token
};

/// Fed in order of steps by the training thread; not thread-safe. A run that is resumed begins with fresh windows.
class HealthMonitor {
 public:
  explicit HealthMonitor(HealthFacts facts) : facts_(facts) {}

  /// Each returns what became true with it. A verdict is given once, and again only after it ceased to hold.
  std::vector<Verdict> step(const StepRecord& record);
  std::vector<Verdict> pairs(int64_t step, const std::vector<PairSignal>& pairs);
  std::vector<Verdict> examples(int64_t step, const std::vector<ExampleLoss>& losses);
  /// Held-out values under their names with prefix; may be the same record as step's.
  std::vector<Verdict> evaluated(const StepRecord& record);

 private:
  struct Loss {
    double lowest = 0.0, highest = 0.0;
    int times = 0;
  };
  void check_first_loss(const StepRecord& record);
  void check_rate(const StepRecord& record);
  void check_gradient(const StepRecord& record);
  void check_loss(const StepRecord& record);
  void check_preferences(const StepRecord& record);
  /// Says it when it begins to hold; forgets it when it no longer does.
  void say_if(bool holds, Verdict verdict);
  std::vector<Verdict> take();

  HealthFacts facts_;
  std::set<std::string> holding_;
  std::vector<Verdict> news_;
  std::deque<double> gradients_, losses_, chosen_, rejected_, accuracies_;
  double first_chosen_ = 0.0, first_rejected_ = 0.0;
  int64_t steps_ = 0, zero_rates_ = 0;
  std::deque<PairSignal> recent_pairs_;
  std::map<int64_t, Loss> row_losses_;
  int64_t flat_rows_ = 0, same_answers_ = 0, pairs_seen_ = 0;
  std::map<std::string, std::deque<double>> evaluations_;
  std::deque<double> losses_at_evaluation_;
};

}  // namespace afina::finetune
