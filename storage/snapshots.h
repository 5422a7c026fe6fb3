// SPDX-License-Identifier: Apache-2.0
// Snapshots: immutable, hashed member lists. What votes mean (labels, splits) is datasets' business; this store keeps
// the outcome. What may enter: quality/eligible.h.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/conversations.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

/// pair: chosen against rejected; answer: one answer to train on (a chosen one or a rewrite); negative: one answer that
/// everybody called bad.
enum class MemberKind { pair, answer, negative };
std::string_view to_string(MemberKind value);
bool from_string(std::string_view word, MemberKind& out);

struct SnapshotMember {
  int64_t position = 0;  ///< from 0, without holes
  MemberKind kind = MemberKind::pair;
  std::string split;                 ///< train, eval, eval_prompt, eval_annotator
  std::string pair_id;               ///< empty: two answers of a ranking, or a rewrite of one answer
  std::string chosen_generation_id;  ///< of pair and answer, unless a rewrite is chosen
  std::string chosen_rewrite_id;
  std::string rejected_generation_id;  ///< of pair and negative
  double soft_label = 1.0;             ///< q, 0.5..1
  double tie = 0.0;                    ///< share of judgements that called both equal, at most 2(1 − q)
  std::optional<double> margin;        ///< nats; nothing: from the run
  double weight = 1.0;
  std::string prompt_sha256;                ///< of the normalised prompt, which splits go by
  std::string content_sha256;               ///< of the row's texts, as the maker hashes them; may be empty
  std::vector<std::string> preference_ids;  ///< judgements behind it: votes,
  std::vector<std::string> submission_ids, adjudication_ids;  ///< rankings of a task, a reviewer's verdict
};

struct Snapshot {
  std::string id = new_uuid();
  std::string name;              ///< unique
  Json spec = Json::object();    ///< how it was asked for: filter, label mode, seed, shares
  std::string sha256;            ///< of the member list; computed by insert_snapshot
  Json counts = Json::object();  ///< what the maker counted: votes used, dropped and why
  int64_t members = 0, train_members = 0;
  std::string parent_id;  ///< snapshot it continues; may be empty
  std::string isolation;  ///< transaction isolation and xmin..xmax, filled in
  Time created_at{};
};
/// SHA-256 over the members in order, one canonical JSON line each.
std::string snapshot_sha256(const std::vector<SnapshotMember>& members);
/// Snapshot and members in the running transaction. Throws DataError for no member, Conflict for a taken name.
Snapshot insert_snapshot(Transaction& t, const Snapshot& snapshot, const std::vector<SnapshotMember>& members);
std::vector<Snapshot> list_snapshots(Transaction& t);  ///< newest first
/// By id, by name or by an unambiguous beginning of the id (8 characters or more). Throws NotFound.
Snapshot get_snapshot(Transaction& t, const std::string& id_or_name);

/// A member with its texts, as it is trained.
struct SnapshotRow {
  SnapshotMember member;
  std::string locale;
  std::vector<Message> prompt;
  std::string chosen, rejected;  ///< texts; empty where the kind has none
  bool withdrawn = false;        ///< its people withdrew after the snapshot was taken: do not train on it
};
/// Members in order; split empty: all.
std::vector<SnapshotRow> snapshot_rows(Transaction& t, const std::string& snapshot_id, const std::string& split = "");

/// Every vote that was cast on the pairs until then, superseded ones too, by people who allow training now; none on
/// withdrawn conversations. By conversation, then in the order they were cast.
std::vector<Preference> training_votes(Transaction& t, const std::vector<std::string>& pair_ids, Time until);

}  // namespace afina::storage
