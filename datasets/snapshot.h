// SPDX-License-Identifier: Apache-2.0
// Snapshots of the judgements in the database: made in one REPEATABLE READ transaction, read for training, written out
// as files in TRL's forms with every raw vote. Training reads snapshots, never live tables (docs/data_model.md).
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/rows.h"
#include "datasets/snapshot_plan.h"
#include "storage/database.h"

namespace afina::datasets {

/// Reads what may be used, plans and inserts in one transaction, and appends to the audit trail. Throws DataError where
/// nothing may be used (no consent, no votes), Conflict for a taken name, UsageError for shares outside 0..1.
storage::Snapshot create_snapshot(storage::Database& database, const SnapshotSpec& spec);

/// Rows of one side of a snapshot, in its order. Members whose people withdrew since are left out and counted.
template <typename Row>
struct SnapshotRows {
  storage::Snapshot snapshot;
  std::vector<Row> rows;
  int64_t withdrawn = 0;
  /// SHA-256 over snapshot, split, kind and which members were left out: what a cache of ids knows the rows by.
  std::string identity;
};
/// Answers to imitate: chosen ones and rewrites. Only the answer is trained, not earlier turns. split: "train", "eval",
/// … Throws NotFound for an unknown snapshot, DataError for a split without rows of this kind.
SnapshotRows<SftRow> load_snapshot_sft(storage::Database& database, const std::string& id_or_name,
                                       const std::string& split);
/// Pairs with q, margin, weight and their preference ids.
SnapshotRows<PairRow> load_snapshot_pairs(storage::Database& database, const std::string& id_or_name,
                                          const std::string& split);
/// Unpaired rows of KTO and BCO: the two answers of each pair with labels q and 1 − q, then the answers that everybody
/// called bad with label 0.
SnapshotRows<UnpairedRow> load_snapshot_unpaired(storage::Database& database, const std::string& id_or_name,
                                                 const std::string& split);

/// One held-out set of a snapshot: eval shares neither prompts nor annotators with train, eval_prompt shares
/// annotators, eval_annotator shares prompts (splits.h).
template <typename Row>
struct HeldOutRows {
  std::string split;
  SnapshotRows<Row> rows;
};
/// The held-out sets that have rows of the kind, in the order above; none where the snapshot holds none out. Throws
/// NotFound.
std::vector<HeldOutRows<SftRow>> load_held_out_sft(storage::Database& database, const std::string& id_or_name);
std::vector<HeldOutRows<PairRow>> load_held_out_pairs(storage::Database& database, const std::string& id_or_name);
std::vector<HeldOutRows<UnpairedRow>> load_held_out_unpaired(storage::Database& database,
                                                             const std::string& id_or_name);

/// The pure step of the first two above, for one member. Throws InternalError for a member of another kind.
SftRow sft_row(const storage::SnapshotRow& row, const std::string& snapshot_name);
PairRow pair_row(const storage::SnapshotRow& row, const std::string& snapshot_name);
/// A pair's two rows, or a negative's one.
std::vector<UnpairedRow> unpaired_rows(const storage::SnapshotRow& row, const std::string& snapshot_name);

struct SnapshotExportReport {
  std::filesystem::path folder;
  int64_t sft = 0, pairs = 0, negatives = 0, votes = 0, withdrawn = 0;
};
/// Writes a folder whole (a temporary sibling, renamed at the end): snapshot.json, votes.jsonl (every vote cast on its
/// pairs until the snapshot was taken, also superseded ones; `used` tells those behind a row), and a file for each kind
/// and split that has rows: sft.train.jsonl (prompt, completion), preference.train.jsonl (prompt, chosen, rejected,
/// soft_label, weight, …), negative.eval.jsonl (prompt, completion, label), … Throws Conflict where the folder exists,
/// NotFound, StorageError.
SnapshotExportReport export_snapshot(storage::Database& database, const std::string& id_or_name,
                                     const std::filesystem::path& folder);

}  // namespace afina::datasets
