// SPDX-License-Identifier: Apache-2.0
#include "datasets/snapshot.h"

#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "storage/audit.h"
#include "storage/networks.h"

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

// Rows of one member, in their order.
template <typename Row>
using Convert = std::vector<Row> (*)(const storage::SnapshotRow&, const std::string&);

std::vector<SftRow> sft_rows(const storage::SnapshotRow& row, const std::string& name) {
  if (row.member.kind != storage::MemberKind::answer) return {};
  return {sft_row(row, name)};
}

std::vector<PairRow> pair_rows(const storage::SnapshotRow& row, const std::string& name) {
  if (row.member.kind != storage::MemberKind::pair) return {};
  return {pair_row(row, name)};
}

std::vector<UnpairedRow> all_unpaired(const storage::SnapshotRow& row, const std::string& name) {
  if (row.member.kind == storage::MemberKind::answer) return {};
  return unpaired_rows(row, name);
}

// Rows in the order of the snapshot. Left out members are counted by kind of row.
template <typename Row>
SnapshotRows<Row> load(storage::Database& database, const std::string& id_or_name, const std::string& split,
                       const char* kind, Convert<Row> convert) {
  return database.read([&](storage::Transaction& t) {
    SnapshotRows<Row> out;
    out.snapshot = storage::get_snapshot(t, id_or_name);
    std::string left_out;
    for (const storage::SnapshotRow& row : storage::snapshot_rows(t, out.snapshot.id, split)) {
      const auto rows = convert(row, out.snapshot.name);
      if (rows.empty()) continue;
      if (row.withdrawn) {
        ++out.withdrawn;
        left_out += cat(" ", row.member.position);
      } else {
        out.rows.insert(out.rows.end(), rows.begin(), rows.end());
      }
    }
    // Names stand in lineage, so a renamed snapshot is another data set to a cache.
    out.identity =
        sha256_hex(cat(out.snapshot.sha256, "\n", out.snapshot.name, "\n", kind, "\n", split, "\n", left_out));
    return out;
  });
}

template <typename Row>
SnapshotRows<Row> load_some(storage::Database& database, const std::string& id_or_name, const std::string& split,
                            const char* kind, Convert<Row> convert) {
  auto loaded = load<Row>(database, id_or_name, split, kind, convert);
  if (loaded.rows.empty()) {
    throw DataError(
        cat("[snapshot ", loaded.snapshot.name, "] must have rows of kind ", kind, " in split \"", split,
            "\", but has none", loaded.withdrawn > 0 ? cat(" left: ", loaded.withdrawn, " were withdrawn.") : "."),
        "afina snapshot show tells what it holds");
  }
  return loaded;
}

template <typename Row>
std::vector<HeldOutRows<Row>> load_held_out(storage::Database& database, const std::string& id_or_name,
                                            const char* kind, Convert<Row> convert) {
  std::vector<HeldOutRows<Row>> sets;
  for (const Split split : {Split::eval, Split::eval_prompt, Split::eval_annotator}) {
    const std::string name(to_string(split));
    auto rows = load<Row>(database, id_or_name, name, kind, convert);
    if (!rows.rows.empty()) sets.push_back({name, std::move(rows)});
  }
  return sets;
}

void check_name(const std::string& name) {
  if (name.size() > 200 || !is_valid_utf8(name) || name.find('\0') != std::string::npos) {
    throw UsageError(cat("[datasets.snapshot] must have a name of at most 200 bytes of UTF-8, but got \"",
                         repair_utf8(name).substr(0, 60), "\"."));
  }
}

// The weights the snapshot was made with, for whoever asks why a label is what it is.
storage::ReliabilityEstimate estimate_of(const storage::Snapshot& snapshot, const SnapshotPlan& plan,
                                         const SnapshotSpec& spec) {
  storage::ReliabilityEstimate out;
  out.model = to_string(spec.reliability);
  out.purpose = cat("snapshot:", snapshot.id);
  out.pairs = plan.counts.value("pairs", int64_t{0});
  out.settings = to_json(spec);
  for (const auto& one : plan.reliability)
    out.votes += one.votes;
  out.annotators = plan.reliability;
  return out;
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
    SnapshotPlan plan = plan_snapshot(storage::eligible_pairs(t, spec.filter), spec, storage::visitor_networks(t));
    plan.counts["left_out"]["training_and_known_answers"] = storage::count_practice_submissions(t);
    if (plan.members.empty()) {
      throw DataError(cat("[datasets.snapshot] must have at least one judgement that may be used, but found none: ",
                          dump_json(plan.counts), "."),
                      "votes count once their people consented to training and did not withdraw");
    }
    storage::Snapshot snapshot = wanted;
    snapshot.counts = plan.counts;
    snapshot = storage::insert_snapshot(t, snapshot, plan.members);
    if (!plan.reliability.empty()) storage::insert_reliability(t, estimate_of(snapshot, plan, spec));
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

std::vector<UnpairedRow> unpaired_rows(const storage::SnapshotRow& row, const std::string& snapshot_name) {
  if (row.member.kind == storage::MemberKind::pair) {
    auto both = unpair(pair_row(row, snapshot_name));
    return {std::move(both[0]), std::move(both[1])};
  }
  AFINA_CHECK(row.member.kind == storage::MemberKind::negative, row.member.position);
  UnpairedRow out;
  out.form = ChatCompletionForm{messages_of(row.prompt), {{"assistant", row.rejected}}};
  out.label = 0.0;
  out.weight = row.member.weight;
  out.where = place(row, snapshot_name);
  out.preference_ids = row.member.preference_ids;
  return {out};
}

SnapshotRows<SftRow> load_snapshot_sft(storage::Database& database, const std::string& id_or_name,
                                       const std::string& split) {
  return load_some<SftRow>(database, id_or_name, split, "answer", sft_rows);
}

SnapshotRows<PairRow> load_snapshot_pairs(storage::Database& database, const std::string& id_or_name,
                                          const std::string& split) {
  return load_some<PairRow>(database, id_or_name, split, "pair", pair_rows);
}

SnapshotRows<UnpairedRow> load_snapshot_unpaired(storage::Database& database, const std::string& id_or_name,
                                                 const std::string& split) {
  return load_some<UnpairedRow>(database, id_or_name, split, "unpaired", all_unpaired);
}

std::vector<HeldOutRows<SftRow>> load_held_out_sft(storage::Database& database, const std::string& id_or_name) {
  return load_held_out<SftRow>(database, id_or_name, "answer", sft_rows);
}

std::vector<HeldOutRows<PairRow>> load_held_out_pairs(storage::Database& database, const std::string& id_or_name) {
  return load_held_out<PairRow>(database, id_or_name, "pair", pair_rows);
}

std::vector<HeldOutRows<UnpairedRow>> load_held_out_unpaired(storage::Database& database,
                                                             const std::string& id_or_name) {
  return load_held_out<UnpairedRow>(database, id_or_name, "unpaired", all_unpaired);
}

}  // namespace afina::datasets
