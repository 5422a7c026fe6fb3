// SPDX-License-Identifier: Apache-2.0
#include "datasets/labels.h"

#include <cmath>

#include "base/error.h"

namespace afina::datasets {
namespace {

constexpr std::array<double, 7> kProbabilities{.05, .15, .30, .50, .70, .85, .95};

}  // namespace

std::optional<double> vote_probability(const Vote& vote) {
  switch (vote.outcome) {
    case VoteOutcome::graded:
      if (vote.grade < -3 || vote.grade > 3) {
        throw DataError(cat("[datasets.labels] must have grades from -3 to 3, but preference \"", vote.preference_id,
                            "\" has ", vote.grade, "."));
      }
      return kProbabilities[static_cast<size_t>(vote.grade + 3)];
    case VoteOutcome::both_good:
      return 0.5;
    case VoteOutcome::both_bad:
    case VoteOutcome::cannot_judge:
      return std::nullopt;
  }
  return std::nullopt;
}

PairJudgement judge_pair(std::span<const Vote> votes) {
  PairJudgement judgement;
  double above = 0.5, below = 1.0, equal = 0.0;
  for (const Vote& vote : votes) {
    if (!std::isfinite(vote.reliability) || vote.reliability < 0) {
      throw DataError(cat("[datasets.labels] must have reliabilities of 0 or more, but annotator \"", vote.annotator_id,
                          "\" has ", vote.reliability, "."));
    }
    if (vote.outcome == VoteOutcome::both_bad) judgement.both_bad_ids.push_back(vote.preference_id);
    const auto p = vote_probability(vote);
    if (!p) continue;
    above += vote.reliability * *p;
    below += vote.reliability;
    if (vote.outcome == VoteOutcome::both_good || vote.grade == 0) equal += vote.reliability;
    judgement.preference_ids.push_back(vote.preference_id);
  }
  const double q = above / below;
  // Sums of opposite votes can miss ½ by a rounding; such a pair is a tie, whatever the order of its votes.
  const bool tie = std::abs(q - 0.5) < 1e-12;
  judgement.swapped = !tie && q < 0.5;
  judgement.tie = equal / below;
  judgement.soft_label = tie ? 0.5 : (judgement.swapped ? 1.0 - q : q);
  return judgement;
}

double ranked_pair_weight(int64_t ranked) {
  const auto k = static_cast<double>(ranked);
  return ranked < 3 ? 1.0 : 2.0 / (k * (k - 1));
}

std::optional<TrainingLabel> training_label(double soft_label, const LabelOptions& options) {
  if (!(soft_label >= 0.5 && soft_label <= 1.0)) {
    throw DataError(cat("[datasets.labels] must have a soft label from 0.5 to 1, but got ", soft_label, "."));
  }
  if (options.mode == LabelMode::hard && soft_label == 0.5) return std::nullopt;
  const double q = options.mode == LabelMode::hard ? 1.0 : soft_label;
  return TrainingLabel{q, options.margin_scale * (2.0 * q - 1.0)};
}

}  // namespace afina::datasets
