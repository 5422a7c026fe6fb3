// SPDX-License-Identifier: Apache-2.0
// What a snapshot holds, as a pure function of the judgements that may be used: pairs with q, answers to imitate,
// answers that everybody called bad, each on its side of the split. No database: snapshot.h.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "datasets/reliability.h"
#include "datasets/snapshot_gates.h"
#include "datasets/splits.h"
#include "storage/quality/eligible.h"
#include "storage/snapshots.h"

namespace afina::datasets {

struct SnapshotSpec {
  std::string name;                ///< unique; empty: made from the time
  storage::EligibleFilter filter;  ///< which votes may be used
  SplitOptions split;
  ReliabilityModel reliability = ReliabilityModel::none;  ///< how votes weigh in q
  GateOptions gates;
  std::string parent_id;  ///< snapshot it continues; may be empty
  /// Judgements of several workspaces in one snapshot, and so in one adapter. False: refused, unless
  /// filter.workspace_id names one.
  bool mix_workspaces = false;
};
/// As stored with the snapshot.
Json to_json(const SnapshotSpec& spec);

struct SnapshotPlan {
  std::vector<storage::SnapshotMember> members;
  Json counts = Json::object();                            ///< votes used and left out, and members by split and kind
  std::vector<storage::AnnotatorReliability> reliability;  ///< as used; empty: r = 1 for everybody
};

/// Rules, in the order of the pairs given, after gate_pairs:
/// - Splits go by the first thing the person wrote, so all turns of a conversation, and all conversations that begin
///   alike, fall on one side. Votes of held-out annotators make members of their own (splits.h).
/// - Of one annotator the newest vote on a pair counts; other votes than graded and both_good make no pair (labels.h).
/// - A reviewer's verdict speaks for the votes it took the place of: r is their number, at least 1. Of an item's
/// rewrites
///   a reviewer chose from, only the chosen one is there.
/// - Two answers with the same words make no pair, and neither is one to imitate for having won.
/// - The pairs of a ranking of K answers weigh 2/(K(K − 1)) each: a ranked item counts no more than a judged pair.
/// - The better answer of a pair with q > ½ is an answer to imitate, once a split, unless more people called both bad
///   than judged; of ranked answers only one that beats all others. So is a rewrite, which also beats both answers (or
///   the one, where it is of an answer without a pair) like a vote of 3.
/// - Two answers that everybody called bad are two negatives.
/// networks: of the visitors who judged, for the cap of a network. Throws DataError where pairs are of several
/// workspaces and spec does not say that they may be.
SnapshotPlan plan_snapshot(std::vector<storage::EligiblePair> pairs, const SnapshotSpec& spec,
                           const Networks& networks = {});

/// What splits of a conversation go by: its first user message, or everything where there is none.
std::string split_prompt(std::span<const storage::Message> prompt);

}  // namespace afina::datasets
