// SPDX-License-Identifier: Apache-2.0
// Signs that somebody should look at an annotator's work. They flag with a reason and never drop a vote. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace afina::quality {

/// Anytime-valid test that a person votes as others do (as FastChat's monitor, after Ville 1939): M_t = Π 1/(2 p_t),
/// p_t the chance that others gave the outcome this person chose among the two. Under "votes like others" M is a
/// martingale, so P(ever M > 1/α) ≤ α, whenever one looks. Votes against the odds raise it.
class OutlierMartingale {
 public:
  static constexpr double kAlpha = 0.05;
  static constexpr int64_t kFewest = 5;  ///< votes before anybody is flagged
  /// Chances are held within [0.01, 0.99], so that one surprise is not proof. Throws DataError outside [0, 1].
  void add(double chance);
  double value() const { return value_; }
  int64_t votes() const { return votes_; }
  /// Was above 1/α at any vote from the fifth on: stays so.
  bool flagged() const { return flagged_; }

 private:
  double value_ = 1.0;
  int64_t votes_ = 0;
  bool flagged_ = false;
};

/// Two-sided exact binomial test of `left` among `decided` at ½: the p-value. 0 ≤ left ≤ decided.
double position_bias_p_value(int64_t left, int64_t decided);

/// What is known of an annotator.
struct AnnotatorFacts {
  int64_t submitted = 0;
  std::optional<double> median_ms;
  int64_t left = 0, decided = 0;  ///< preferred the left one, of those that preferred any
  int64_t gold_seen = 0, gold_passed = 0;
  double gold_pass = 0.7;            ///< share asked for
  bool outlier = false;              ///< OutlierMartingale::flagged
  int64_t most_repeated_reason = 0;  ///< how often the most frequent reason was given word for word
  int64_t reasons = 0;
};
enum class AnnotatorWarning { haste, position, gold, outlier, repeats };
std::string_view to_string(AnnotatorWarning warning);
/// haste: 20 votes or more with a median below 3 s; position: 50 or more decided, over 80 % or under 20 % left and p <
/// 1e-4; gold: 20 or more seen, share passed below gold_pass; repeats: one reason of 5 or more is half of them or more.
std::vector<AnnotatorWarning> annotator_warnings(const AnnotatorFacts& facts);

/// The largest share of a training set that one untrusted annotator's votes may have: min(0.25 %, 1/√n), in votes, but
/// never below `floor` (small sets would allow nobody anything). n, floor ≥ 0.
int64_t annotator_cap(int64_t votes, int64_t floor = 20);

/// How many judgements each group may keep so that none is more than `share` of what stays: the largest c with
/// c ≤ share·(others + Σ min(n_i, c)), but never below `floor` (five people's: a class or a village is no attack).
/// A share of what came would let a flood raise its own cap. groups: n_i ≥ 0. others: judgements of no group.
/// 0 < share < 1. Throws UsageError for other values.
int64_t network_cap(std::span<const int64_t> groups, int64_t others, double share, int64_t floor = 100);

}  // namespace afina::quality
