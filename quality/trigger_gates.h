// SPDX-License-Identifier: Apache-2.0
// Gates against planted triggers before preferences are trained on: phrases that a few people alone bring, and that
// decide the vote or stand in everything these people did. Both flag with the phrase and the numbers behind it.
//   side gate:  used in 20 pairs or more by 3 people or fewer, on one side only so often that χ² = (c − r)²/(c + r) has
//               p < 1e-6 (c: only in the chosen answer, r: only in the rejected one)
//   burst gate: used by s of A people in m ≥ 4 pairs, which is at least half of what these people did, with
//               C(A, s)·f^m < 1e-6 (f: their share of all pairs), and in pairs that have otherwise no more in common
//               than any two: a subject brings its other words along, a trigger does not
// After Rando and Tramèr 2023 (arXiv 2311.14455), who poison by a phrase in the prompt and a flipped label. People who
// hide few triggered pairs among many honest ones pass the burst gate: caps and second judgements are for those.
// Two passes; memory O(phrases that occur four times or more). Pure.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace afina::quality {

/// One judged pair.
struct GatePair {
  std::string prompt, chosen, rejected;
  uint32_t annotator = 0;
};

struct TriggerGateOptions {
  int longest = 3;  ///< words in a phrase, 1 … 5
  double p_value = 1e-6;
  int64_t side_uses = 20, side_annotators = 3;
  int64_t burst_uses = 4;
  double burst_share = 0.5;  ///< of the pairs of its people
  uint64_t seed = 1;         ///< of the sample that says how much any two pairs have in common
};

enum class TriggerGate { side, burst };
std::string_view to_string(TriggerGate gate);

struct TriggerFinding {
  TriggerGate gate = TriggerGate::side;
  std::string phrase;  ///< lower-cased words
  double log10_p = 0.0;
  int64_t annotators = 0;
  std::vector<uint32_t> pairs;  ///< indexes, ascending
};
/// Strongest first. Of phrases that stand in the same pairs only the longest. Throws UsageError for options out of
/// range.
std::vector<TriggerFinding> trigger_findings(std::span<const GatePair> pairs, const TriggerGateOptions& options = {});
/// All pairs of all findings, ascending.
std::vector<uint32_t> flagged_pairs(std::span<const TriggerFinding> findings);

}  // namespace afina::quality
