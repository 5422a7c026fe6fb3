// SPDX-License-Identifier: Apache-2.0
// What stands between the votes and a snapshot: how many votes one stranger and one network may bring, prompts that are
// nearly the same, and phrases that look planted. Nothing is left out unsaid: all counts go to the manifest. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "datasets/outliers.h"
#include "datasets/snapshot_caps.h"
#include "storage/quality/eligible.h"

namespace afina::datasets {

/// keep: prompts are alike only where they are the same; together: prompts that are nearly the same fall on one side of
/// the split, that of the oldest; drop: besides, of pairs whose prompt and answers are nearly the same only the oldest
/// stays.
enum class NearDuplicates { keep, together, drop };
std::string_view to_string(NearDuplicates value);
bool from_string(std::string_view word, NearDuplicates& out);

/// What findings of the gates against planted phrases do: refuse the snapshot, drop the pairs they stand in, or be only
/// told.
enum class TriggerPolicy { refuse, drop, allow };
std::string_view to_string(TriggerPolicy value);
bool from_string(std::string_view word, TriggerPolicy& out);

/// Made from how many votes there are: quality::annotator_cap.
inline constexpr int64_t kAutomaticCap = -1;
/// What one network may be of a snapshot: as much as four strangers at the cap of a person, and the share from which a
/// single source of data is to be looked at. What is left out by mistake can be had with another snapshot; what got in
/// unnoticed is trained on.
inline constexpr double kMaxNetworkShare = 0.01;
/// Whose votes are fewer people than this are not looked through for planted phrases: what one of a handful always
/// writes is a habit, and cannot be told from a trigger.
inline constexpr int64_t kFewestForTriggers = 10;
/// From which Jaccard index of three-word shingles two texts are nearly the same.
inline constexpr double kNearlyTheSame = 0.9;

struct GateOptions {
  /// Votes and rewrites that one person without an account may bring; 0: any number. Who has an account was invited and
  /// can be told what is wrong: known answers and second judgements are for them.
  int64_t annotator_cap = kAutomaticCap;
  /// Share of all judgements that people without an account may bring from one network, above 0; 1: any.
  double max_network_share = kMaxNetworkShare;
  NearDuplicates near_duplicates = NearDuplicates::together;
  TriggerPolicy triggers = TriggerPolicy::refuse;
  OutlierPolicy outliers = OutlierPolicy::allow;
};
/// As stored with the snapshot.
Json to_json(const GateOptions& options);

struct GatedPairs {
  std::vector<storage::EligiblePair> pairs;
  std::vector<std::string> prompts;  ///< of each pair, what its split goes by (snapshot_plan.h)
  Json counts = Json::object();      ///< annotator_cap, network_cap, outliers, near_duplicates, triggers
};
/// Rankings of tasks, whose people were invited, are not looked through for phrases. In this order: caps of
/// people and of networks (which votes stay is drawn by `seed` and the votes' ids), people who vote against everybody,
/// planted phrases for each language by itself, near duplicates. Throws UsageError for a cap below −1 or a share
/// outside (0, 1], DataError for findings where they refuse.
GatedPairs gate_pairs(std::vector<storage::EligiblePair> pairs, const GateOptions& options, uint64_t seed,
                      const Networks& networks = {});

}  // namespace afina::datasets
