// SPDX-License-Identifier: Apache-2.0
// Counts of every stage of the loop in one consistent view, and the way through the lineage in both directions.
// Withdrawn rows are counted nowhere.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "storage/adapters.h"
#include "storage/runs.h"
#include "storage/snapshots.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct LoopCounts {
  int64_t conversations = 0, messages = 0;
  std::vector<std::pair<std::string, int64_t>> conversations_by_locale;  ///< most frequent first
  std::optional<Time> newest_conversation_at;

  int64_t votes = 0;  ///< standing, retractions not counted
  int64_t voted_pairs = 0, pairs = 0, annotators = 0;
  int64_t votes_outside_newest_snapshot = 0;  ///< cast after it was taken
  std::optional<Time> newest_vote_at;

  int64_t snapshots = 0;
  std::optional<Snapshot> newest_snapshot;
  int64_t runs = 0, runs_running = 0, runs_finished = 0, runs_failed = 0;
  std::optional<Run> newest_run;
  int64_t adapters = 0;
  std::optional<Adapter> newest_adapter;

  /// Blind standing votes on pairs of which exactly one answer came from the newest adapter that has any.
  std::optional<Adapter> arena_adapter;
  int64_t arena_wins = 0, arena_ties = 0, arena_losses = 0;
  std::optional<Time> newest_arena_vote_at;
};
/// Call in a REPEATABLE READ transaction for one view.
LoopCounts loop_counts(Transaction& t);

/// What was made from a judgement, or from anything of one visitor: ids in the order they were made.
struct Descendants {
  std::vector<std::string> snapshot_ids, run_ids, adapter_ids;
};
Descendants descendants_of_preference(Transaction& t, const std::string& preference_id);
Descendants descendants_of_visitor(Transaction& t, const std::string& visitor_id);
/// Judgements that an adapter was trained on, its parents' included.
std::vector<std::string> preferences_of_adapter(Transaction& t, const std::string& adapter_id);

}  // namespace afina::storage
