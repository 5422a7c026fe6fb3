// SPDX-License-Identifier: Apache-2.0
#include "storage/snapshots.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/hash.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

Json member_json(const SnapshotMember& m) {
  Json json = {{"position", m.position},
               {"kind", to_string(m.kind)},
               {"split", m.split},
               {"pair", m.pair_id},
               {"chosen_generation", m.chosen_generation_id},
               {"chosen_rewrite", m.chosen_rewrite_id},
               {"rejected_generation", m.rejected_generation_id},
               {"soft_label", m.soft_label},
               {"margin", m.margin ? Json(*m.margin) : Json()},
               {"weight", m.weight},
               {"prompt_sha256", m.prompt_sha256},
               {"content_sha256", m.content_sha256},
               {"preferences", m.preference_ids}};
  // Left out where they say nothing, so that hashes of older snapshots stand.
  if (m.tie > 0.0) json["tie"] = m.tie;
  if (!m.submission_ids.empty()) json["submissions"] = m.submission_ids;
  if (!m.adjudication_ids.empty()) json["adjudications"] = m.adjudication_ids;
  return json;
}

void insert_members(Transaction& t, const std::string& snapshot_id, const std::vector<SnapshotMember>& members) {
  // One statement for any number of rows: each column travels as JSON.
  Json rows = Json::array();
  for (const SnapshotMember& member : members) {
    rows.push_back(member_json(member));
  }
  const Params params = Params().text(snapshot_id).json(rows);
  t.exec(
      "INSERT INTO snapshot_member (snapshot_id, position, kind, split, pair_id, chosen_generation_id, "
      "chosen_rewrite_id, rejected_generation_id, soft_label, tie, margin, weight, prompt_sha256, content_sha256) "
      "SELECT $1::uuid, (r->>'position')::bigint, r->>'kind', r->>'split', nullif(r->>'pair', '')::uuid, "
      "nullif(r->>'chosen_generation', '')::uuid, nullif(r->>'chosen_rewrite', '')::uuid, "
      "nullif(r->>'rejected_generation', '')::uuid, (r->>'soft_label')::double precision, "
      "coalesce((r->>'tie')::double precision, 0), (r->>'margin')::double precision, (r->>'weight')::double precision, "
      "r->>'prompt_sha256', r->>'content_sha256' "
      "FROM jsonb_array_elements($2::jsonb) AS r",
      params);
  for (const char* act : {"preference", "submission", "adjudication"}) {
    t.exec(cat("INSERT INTO snapshot_member_", act, " (snapshot_id, position, ", act,
               "_id) SELECT $1::uuid, (r->>'position')::bigint, act::uuid FROM jsonb_array_elements($2::jsonb) AS r, "
               "jsonb_array_elements_text(coalesce(r->'",
               act, "s', '[]')) AS act"),
           params);
  }
}

// Where a member's answers stand; a rewrite stands where its pair does, or its answer.
constexpr const char* kPlace =
    " LEFT JOIN pair ON pair.id = m.pair_id LEFT JOIN rewrite w ON w.id = m.chosen_rewrite_id JOIN generation place "
    "ON place.id = coalesce(pair.generation_a_id, m.rejected_generation_id, m.chosen_generation_id, w.generation_id) ";

std::string acts_of(const std::string& act) {
  return cat("ARRAY(SELECT b.", act, "_id FROM snapshot_member_", act,
             " b WHERE b.snapshot_id = m.snapshot_id AND b.position = m.position ORDER BY 1) AS ", act, "_ids");
}

std::string withdrawn(const std::string& act) {
  return cat("EXISTS (SELECT FROM snapshot_member_", act, " b JOIN ", act, " act ON act.id = b.", act,
             "_id JOIN visitor v ON v.id = act.visitor_id WHERE b.snapshot_id = m.snapshot_id AND b.position = "
             "m.position AND v.withdrawn_at IS NOT NULL)");
}

SnapshotMember read_member(const Row& row) {
  SnapshotMember m;
  m.position = row.integer("position");
  m.kind = word<MemberKind>(row, "kind");
  m.split = row.text("split");
  m.pair_id = row.text("pair_id");
  m.chosen_generation_id = row.text("chosen_generation_id");
  m.chosen_rewrite_id = row.text("chosen_rewrite_id");
  m.rejected_generation_id = row.text("rejected_generation_id");
  m.soft_label = row.real("soft_label");
  m.tie = row.real("tie");
  m.margin = row.maybe_real("margin");
  m.weight = row.real("weight");
  m.prompt_sha256 = row.text("prompt_sha256");
  m.content_sha256 = row.text("content_sha256");
  m.preference_ids = row.ids("preference_ids");
  m.submission_ids = row.ids("submission_ids");
  m.adjudication_ids = row.ids("adjudication_ids");
  return m;
}

}  // namespace

std::string snapshot_sha256(const std::vector<SnapshotMember>& members) {
  Sha256 hash;
  for (const SnapshotMember& member : members) {
    hash.update(dump_json(member_json(member)) + "\n");
  }
  return hash.finish_hex();
}

Snapshot insert_snapshot(Transaction& t, const Snapshot& snapshot, const std::vector<SnapshotMember>& members) {
  if (members.empty()) {
    throw DataError("[storage.snapshots] a snapshot must have a member, but would be empty.",
                    "collect votes first, or widen the filter");
  }
  for (size_t i = 0; i < members.size(); ++i) {
    AFINA_CHECK(members[i].position == static_cast<int64_t>(i), "members are numbered from 0 without holes");
  }
  const auto train = std::count_if(members.begin(), members.end(), [](const auto& m) { return m.split == "train"; });
  t.exec(
      "INSERT INTO snapshot (id, name, spec, sha256, counts, members, train_members, parent_id, isolation) VALUES "
      "($1::uuid, $2, $3::jsonb, $4, $5::jsonb, $6::bigint, $7::bigint, $8::uuid, "
      "current_setting('transaction_isolation') || ' ' || pg_current_snapshot()::text)",
      Params()
          .text(snapshot.id)
          .text(snapshot.name)
          .json(snapshot.spec)
          .text(snapshot_sha256(members))
          .json(snapshot.counts)
          .integer(static_cast<int64_t>(members.size()))
          .integer(static_cast<int64_t>(train))
          .text_or_null(snapshot.parent_id));
  insert_members(t, snapshot.id, members);
  return get_snapshot(t, snapshot.id);
}

std::vector<Snapshot> list_snapshots(Transaction& t) {
  std::vector<Snapshot> out;
  const Result rows = t.exec("SELECT * FROM snapshot ORDER BY id DESC");
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back(read_snapshot(rows[i]));
  }
  return out;
}

Snapshot get_snapshot(Transaction& t, const std::string& id_or_name) {
  const Result rows = t.exec(cat("SELECT * FROM snapshot WHERE ", kNamed), Params().text(id_or_name));
  return read_snapshot(only_named(rows, id_or_name, "a snapshot"));
}

std::vector<SnapshotRow> snapshot_rows(Transaction& t, const std::string& snapshot_id, const std::string& split) {
  const Snapshot snapshot = get_snapshot(t, snapshot_id);
  const Params params = Params().text(snapshot.id).text_or_null(split);
  // Votes of people who withdrew leave nothing to stand on; a member with other votes stays as it was frozen.
  const Result rows = t.exec(
      cat("SELECT m.*, place.conversation_id, place.turn, c.locale, g.text AS chosen_text, w.text AS rewrite_text, "
          "r.text AS rejected_text, ",
          acts_of("preference"), ", ", acts_of("submission"), ", ", acts_of("adjudication"),
          ", c.withdrawn_at IS NOT NULL OR writer.withdrawn_at IS NOT NULL OR ", withdrawn("preference"), " OR ",
          withdrawn("submission"), " OR ", withdrawn("adjudication"), " AS withdrawn FROM snapshot_member m", kPlace,
          "JOIN conversation c ON c.id = place.conversation_id LEFT JOIN generation g ON g.id = "
          "m.chosen_generation_id LEFT JOIN generation r ON r.id = m.rejected_generation_id "
          "LEFT JOIN visitor writer ON writer.id = w.visitor_id "
          "WHERE m.snapshot_id = $1::uuid AND ($2::text IS NULL OR m.split = $2) ORDER BY m.position"),
      params);
  const Result messages = t.exec(
      cat("SELECT * FROM message WHERE conversation_id IN (SELECT place.conversation_id FROM snapshot_member m", kPlace,
          "WHERE m.snapshot_id = $1::uuid AND ($2::text IS NULL OR m.split = $2)) "
          "ORDER BY conversation_id, turn"),
      params);
  std::unordered_map<std::string, std::vector<Message>> by_conversation;
  for (size_t i = 0; i < messages.size(); ++i) {
    Message m = read_message(messages[i]);
    by_conversation[m.conversation_id].push_back(std::move(m));
  }
  std::vector<SnapshotRow> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    SnapshotRow row;
    row.member = read_member(rows[i]);
    row.locale = rows[i].text("locale");
    row.chosen = rows[i].text(rows[i].is_null("rewrite_text") ? "chosen_text" : "rewrite_text");
    row.rejected = rows[i].text("rejected_text");
    row.withdrawn = rows[i].boolean("withdrawn");
    for (const Message& m : by_conversation[rows[i].text("conversation_id")]) {
      if (m.turn < rows[i].integer("turn")) row.prompt.push_back(m);
    }
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<Preference> training_votes(Transaction& t, const std::vector<std::string>& pair_ids, Time until) {
  const Result rows =
      t.exec(cat("SELECT ", kPreferenceColumns,
                 " FROM preference p JOIN pair ON pair.id = p.pair_id JOIN conversation c ON c.id = "
                 "pair.conversation_id JOIN visitor v ON v.id = p.visitor_id "
                 "JOIN current_consent k ON k.visitor_id = v.id AND k.granted AND 'train' = ANY (k.purposes) "
                 "WHERE p.pair_id = ANY ($1::uuid[]) AND p.created_at <= $2::timestamptz AND c.withdrawn_at IS NULL "
                 "AND v.withdrawn_at IS NULL ORDER BY c.id, p.created_at, p.id"),
             Params().texts(pair_ids).time(until));
  std::vector<Preference> out;
  for (size_t i = 0; i < rows.size(); ++i)
    out.push_back(read_preference(rows[i]));
  return out;
}

}  // namespace afina::storage
