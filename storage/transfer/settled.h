// SPDX-License-Identifier: Apache-2.0
// Verdicts of reviewers as exports need them: what took the place of which votes, rankings and rewrites. Read whole,
// before the streams: there are as many as reviewers made by hand.
#pragma once
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/transfer/export_filter.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

/// A verdict on a pair; the newest, where several projects settled it.
struct SettledPair {
  std::string id, annotator_id;
  Outcome outcome = Outcome::graded;
  int grade = 0;                    ///< 3: the pair's A is much better … −3: its B
  std::set<std::string> exposures;  ///< whose votes it took the place of
};
/// A verdict on a ranking, as storage/transfer/row_streams.h has rankings.
struct SettledRanking {
  std::string id, conversation_id, locale, annotator_id, prompt, answers;
};
struct Settled {
  std::unordered_map<std::string, SettledPair> pairs;  ///< by pair id
  std::vector<SettledRanking> rankings;
  std::set<std::string> replaced;  ///< submissions whose rankings they took the place of
  /// Rewrites of which a reviewer chose another, by id: that one's id. Where that one is not in the export, since its
  /// writer does not allow it, the rest stands.
  std::unordered_map<std::string, std::string> rewrites;
};
/// Of work items of people who allow filter.purpose, by reviewers who did not withdraw or refuse it. since: verdicts
/// from then on.
Settled settled_items(Transaction& t, const ExportFilter& filter);

}  // namespace afina::storage
