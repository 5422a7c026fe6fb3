// SPDX-License-Identifier: Apache-2.0
#include "datasets/snapshot.h"

#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "storage/audit.h"

namespace afina::datasets {
namespace {

Messages messages_of(const std::vector<storage::Message>& prompt) {
  Messages messages;
  for (const storage::Message& message : prompt)
    messages.push_back({message.role, message.content});
  return messages;
}

std::string place(const storage::SnapshotRow& row, const std::string& name) {
  return cat("snapshot ", name, ":", row.member.position);
}

template <typename Row>
SnapshotRows<Row> load(storage::Database& database, const std::string& id_or_name, const std::string& split,
                       storage::MemberKind kind, Row (*convert)(const storage::SnapshotRow&, const std::string&)) {
  auto loaded = database.read([&](storage::Transaction& t) {
    SnapshotRows<Row> out;
    out.snapshot = storage::get_snapshot(t, id_or_name);
    for (const storage::SnapshotRow& row : storage::snapshot_rows(t, out.snapshot.id, split)) {
      if (row.member.kind != kind) continue;
      if (row.withdrawn) {
        ++out.withdrawn;
      } else {
        out.rows.push_back(convert(row, out.snapshot.name));
      }
    }
    return out;
  });
  if (loaded.rows.empty()) {
    throw DataError(cat("[snapshot ", loaded.snapshot.name, "] must have rows of kind ", storage::to_string(kind),
                        " in split \"", split, "\", but has none",
                        loaded.withdrawn > 0 ? cat(" left: ", loaded.withdrawn, " were withdrawn.") : "."),
                    "afina snapshot show tells what it holds");
  }
  return loaded;
}

void check_name(const std::string& name) {
  if (name.size() > 200 || !is_valid_utf8(name) || name.find('\0') != std::string::npos) {
    throw UsageError(cat("[datasets.snapshot] must have a name of at most 200 bytes of UTF-8, but got \"",
                         repair_utf8(name).substr(0, 60), "\"."));
  }
}

std::optional<storage::Snapshot> find_snapshot(storage::Transaction& t, const std::string& id) {
  try {
    return storage::get_snapshot(t, id);
  } catch (const NotFound&) {
    return std::nullopt;
  }
}

}  // namespace

storage::Snapshot create_snapshot(storage::Database& database, const SnapshotSpec& spec) {
  // Also before any work: shares are checked by the first call of split_of otherwise.
  split_of("", "", spec.split);
  storage::Snapshot wanted;
  wanted.name = spec.name.empty() ? cat("snapshot-", now_iso8601().substr(0, 19)) : spec.name;
  wanted.spec = to_json(spec);
  wanted.parent_id = spec.parent_id;
  check_name(wanted.name);
  const auto make = [&](storage::Transaction& t) {
    // After a commit in doubt the transaction runs again, and must find what it had stored.
    if (auto stored = find_snapshot(t, wanted.id)) return *stored;
    const SnapshotPlan plan = plan_snapshot(storage::eligible_pairs(t, spec.filter), spec);
    if (plan.members.empty()) {
      throw DataError(cat("[datasets.snapshot] must have at least one judgement that may be used, but found none: ",
                          dump_json(plan.counts), "."),
                      "votes count once their people consented to training and did not withdraw");
    }
    storage::Snapshot snapshot = wanted;
    snapshot.counts = plan.counts;
    snapshot = storage::insert_snapshot(t, snapshot, plan.members);
    storage::append_audit(t, "cli", "snapshot.create", snapshot.id,
                          {{"name", snapshot.name}, {"sha256", snapshot.sha256}});
    return snapshot;
  };
  try {
    return database.transaction(make, {.isolation = storage::Isolation::repeatable_read});
  } catch (const Conflict&) {
    throw Conflict(cat("[datasets.snapshot] must have a name that is free, but \"", wanted.name, "\" is taken."),
                   "snapshots never change: choose another --name");
  }
}

SftRow sft_row(const storage::SnapshotRow& row, const std::string& snapshot_name) {
  AFINA_CHECK(row.member.kind == storage::MemberKind::answer, row.member.position);
  return {ChatCompletionForm{messages_of(row.prompt), {{"assistant", row.chosen}}}, place(row, snapshot_name),
          row.member.preference_ids};
}

PairRow pair_row(const storage::SnapshotRow& row, const std::string& snapshot_name) {
  AFINA_CHECK(row.member.kind == storage::MemberKind::pair, row.member.position);
  PairRow out;
  out.form = PairChat{messages_of(row.prompt), {{"assistant", row.chosen}}, {{"assistant", row.rejected}}};
  out.soft_label = row.member.soft_label;
  out.tie = row.member.tie;
  out.margin = row.member.margin;
  out.weight = row.member.weight;
  out.where = place(row, snapshot_name);
  out.preference_ids = row.member.preference_ids;
  return out;
}

SnapshotRows<SftRow> load_snapshot_sft(storage::Database& database, const std::string& id_or_name,
                                       const std::string& split) {
  return load<SftRow>(database, id_or_name, split, storage::MemberKind::answer, sft_row);
}

SnapshotRows<PairRow> load_snapshot_pairs(storage::Database& database, const std::string& id_or_name,
                                          const std::string& split) {
  return load<PairRow>(database, id_or_name, split, storage::MemberKind::pair, pair_row);
}

}  // namespace afina::datasets
