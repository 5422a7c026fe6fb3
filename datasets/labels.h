// SPDX-License-Identifier: Apache-2.0
// From what people said about two answers to q, m and w (docs/math.md; cDPO with a label per pair, Mitchell 2023;
// strength as margin, Llama 2 §3.2.2). Pure functions of votes; no text, no database.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace afina::datasets {

enum class VoteOutcome { graded, both_good, both_bad, cannot_judge };

/// One current judgement on answers A and B.
struct Vote {
  VoteOutcome outcome = VoteOutcome::graded;
  int grade = 0;             ///< −3 (B much better) … 3 (A much better); only of graded votes
  double reliability = 1.0;  ///< r of the annotator, 0 or more; 1 until estimated
  std::string preference_id;
  std::string annotator_id;
};

enum class LabelMode { soft, hard };

struct LabelOptions {
  LabelMode mode = LabelMode::soft;
  double margin_scale = 0.0;  ///< m₀, nats
};

/// What the votes on one pair say.
struct PairJudgement {
  double soft_label = 0.5;  ///< q, 0.5..1, after the swap
  double tie = 0.0;         ///< t, a part of q: P(chosen wins) = q − t/2, P(it loses) = 1 − q − t/2
  bool swapped = false;     ///< B is the chosen answer
  std::vector<std::string> preference_ids;  ///< of the votes that count in q
  std::vector<std::string> both_bad_ids;    ///< votes that make both answers unpaired negatives
};

/// p that A is better: .05 .15 .30 .50 .70 .85 .95 for −3..3, .50 for both good, nothing for both bad and cannot judge.
/// Throws DataError for a grade outside −3..3.
std::optional<double> vote_probability(const Vote& vote);

/// q = (½ + Σ rᵢpᵢ) / (1 + Σ rᵢ) over votes with a p, and t = Σ rᵢ[tieᵢ] / (1 + Σ rᵢ) over the same votes, a tie being
/// grade 0 or both good (the prior ½ is no tie: half a win for each); then A and B are swapped where q < ½.
/// preference_ids is empty where no vote has a p: then there is no pair. Throws DataError for a negative or infinite
/// reliability.
PairJudgement judge_pair(std::span<const Vote> votes);

struct TrainingLabel {
  double soft_label = 1.0, margin = 0.0;
};

/// soft: q as it is; hard: q = 1, and nothing for an exact tie, which callers drop and count. m = m₀(2q − 1) of the
/// result.
std::optional<TrainingLabel> training_label(double soft_label, const LabelOptions& options);

/// Of a pair that a ranking of so many answers made (less than 3: none did): they weigh one together, if all of them
/// are there.
double ranked_pair_weight(int64_t ranked);

/// A rewrite counts as one vote of 3 against each answer.
inline constexpr int kRewriteGrade = 3;

}  // namespace afina::datasets
