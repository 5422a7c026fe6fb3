// SPDX-License-Identifier: Apache-2.0
// Estimates of how often annotators are right, kept as they were used. The estimators are quality's; this stores them.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct AnnotatorReliability {
  std::string annotator_id;
  double reliability = 0.5, low = 0.0, high = 1.0;  ///< posterior accuracy with its 95 % interval
  double weight = 1.0;                              ///< r in soft labels, 0 … 1
  int64_t votes = 0;
};

struct ReliabilityEstimate {
  std::string id = new_uuid();
  std::string workspace_id;  ///< empty: votes of every workspace
  std::string model;         ///< dawid_skene, mace, noisy_bradley_terry
  std::string purpose;       ///< "snapshot:ID", "report"
  int64_t votes = 0, pairs = 0;
  Json settings = Json::object();
  std::vector<AnnotatorReliability> annotators;
  Time created_at{};
};
/// Stores the estimate and its rows. Throws DataError for numbers out of range.
void insert_reliability(Transaction& t, const ReliabilityEstimate& estimate);

/// r of each annotator by the newest estimate with that purpose; nothing stored: an empty map, and everybody counts as
/// 1.
std::map<std::string, double> estimated_reliability(Transaction& t, const std::string& purpose);

/// A leaderboard as published.
struct RatingSnapshot {
  std::string id = new_uuid();
  std::string workspace_id, account_id, idempotency_key, model;
  Json filter = Json::object();
  int64_t votes = 0, annotators = 0;
  Json body = Json::object();
  Time created_at{};
};
struct PutRatingSnapshot {
  std::string id;
  bool created = true;  ///< false where the same person's key had brought it before
};
/// Throws Conflict for a key that came with another model or filter.
PutRatingSnapshot put_rating_snapshot(Transaction& t, const RatingSnapshot& snapshot);
/// Of the workspace, newest first; before: an id to go on from, empty: from the newest.
std::vector<RatingSnapshot> list_rating_snapshots(Transaction& t, const std::string& workspace_id, int64_t limit,
                                                  const std::string& before = "");
/// One of the workspace. Throws NotFound where the workspace published none with that id.
RatingSnapshot rating_snapshot(Transaction& t, const std::string& workspace_id, const std::string& id);

}  // namespace afina::storage
