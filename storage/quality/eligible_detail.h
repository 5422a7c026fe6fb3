// SPDX-License-Identifier: Apache-2.0
// Parts of eligible_pairs, private to storage/quality/: what task projects add to votes on pairs.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/quality/eligible.h"
#include "storage/tasks/verdict.h"

namespace afina::storage {

/// A reviewer's standing verdict on a work item of kind pairwise, ranking or rewrite, where the item's people and the
/// reviewer allow training. (A reviewer who never gave consent as a person judges for the operator.)
struct AdjudicatedItem {
  std::string id, item_id, pair_id, conversation_id, workspace_id, locale, annotator_id, annotator_name;
  int turn = 0;
  Source source = Source::web;  ///< of the conversation
  Time created_at{};
  TaskVerdict verdict;
  std::string rewrite_id;            ///< the chosen one; empty for other kinds, and where it is of no pair
  std::vector<std::string> answers;  ///< generations by position
};
/// In the order they were made; none where the filter's sources leave out web.
std::vector<AdjudicatedItem> adjudicated_items(Transaction& t, const EligibleFilter& filter,
                                               const std::vector<std::string>& sources);

/// Puts verdicts on pairs in the place of the votes that were handed in for their items, with what the same people said
/// of the pair before and after. Of several verdicts on one pair the newest stands.
void settle_pairs(Transaction& t, const std::vector<AdjudicatedItem>& items,
                  const std::unordered_map<std::string, size_t>& index, std::vector<EligiblePair>& pairs);

/// Leaves out the rewrites of items of which a reviewer chose another, where that one is among the pair's: whoever
/// wrote it may not allow training, and then the rest stands.
void settle_rewrites(Transaction& t, const std::vector<AdjudicatedItem>& items, std::vector<EligiblePair>& pairs);

/// Rankings as pairs of answers, without their texts. A verdict on an item takes the place of its rankings.
std::vector<EligiblePair> ranked_pairs(Transaction& t, const EligibleFilter& filter,
                                       const std::vector<std::string>& sources,
                                       const std::vector<AdjudicatedItem>& items);

}  // namespace afina::storage
