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

std::vector<std::string> source_words(const std::vector<Source>& sources) {
  std::vector<std::string> out;
  for (const Source source : sources) {
    out.emplace_back(to_string(source));
  }
  return out;
}

// Conversations and pairs that may be used: their owners allow training now.
constexpr const char* kEligiblePairs =
    "SELECT pair.*, c.locale, c.source FROM pair JOIN conversation c ON c.id = pair.conversation_id "
    "JOIN visitor v ON v.id = c.visitor_id JOIN current_consent k ON k.visitor_id = v.id "
    "WHERE c.withdrawn_at IS NULL AND v.withdrawn_at IS NULL AND k.granted AND 'train' = ANY (k.purposes) "
    "AND (cardinality($1::text[]) = 0 OR c.locale = ANY ($1::text[])) ORDER BY pair.id";

// Votes and rewrites that may be used: so do those who cast them.
constexpr const char* kCasterAllows =
    " JOIN visitor caster ON caster.id = p.visitor_id JOIN current_consent k ON k.visitor_id = caster.id "
    "WHERE caster.withdrawn_at IS NULL AND k.granted AND 'train' = ANY (k.purposes) "
    "AND (cardinality($1::text[]) = 0 OR p.source = ANY ($1::text[])) "
    "AND ($2::timestamptz IS NULL OR p.created_at < $2::timestamptz) ";

using PairIndex = std::unordered_map<std::string, size_t>;

void add_votes(Transaction& t, const EligibleFilter& filter, const PairIndex& index, std::vector<EligiblePair>& pairs) {
  Params params = Params().texts(source_words(filter.sources)).time(filter.before);
  const Result rewrites = t.exec(cat("SELECT DISTINCT ON (p.exposure_id) p.* FROM rewrite p", kCasterAllows,
                                     "AND NOT EXISTS (SELECT FROM preference later WHERE later.supersedes_id = "
                                     "p.act_id) ORDER BY p.exposure_id, p.created_at DESC, p.id DESC"),
                                 params);
  for (size_t i = 0; i < rewrites.size(); ++i) {
    Rewrite rewrite = read_rewrite(rewrites[i]);
    const auto at = index.find(rewrite.pair_id);
    if (at != index.end()) pairs[at->second].rewrites.push_back(std::move(rewrite));
  }
  params.boolean(filter.blind_only);
  const Result votes = t.exec(cat("SELECT ", kPreferenceColumns, " FROM standing_preference p", kCasterAllows,
                                  "AND (p.blind OR NOT $3::boolean) ORDER BY p.created_at, p.id"),
                              params);
  for (size_t i = 0; i < votes.size(); ++i) {
    Preference vote = read_preference(votes[i]);
    const auto at = index.find(vote.pair_id);
    if (at != index.end()) pairs[at->second].votes.push_back(std::move(vote));
  }
}

// Answers and earlier messages of each pair that is left, one query each.
void add_texts(Transaction& t, std::vector<EligiblePair>& pairs) {
  std::vector<std::string> answers, conversations;
  for (const EligiblePair& p : pairs) {
    answers.insert(answers.end(), {p.pair.generation_a_id, p.pair.generation_b_id});
    conversations.push_back(p.pair.conversation_id);
  }
  std::unordered_map<std::string, Generation> by_id;
  const Result generations = t.exec("SELECT * FROM generation WHERE id = ANY ($1::uuid[])", Params().texts(answers));
  for (size_t i = 0; i < generations.size(); ++i) {
    Generation g = read_generation(generations[i]);
    by_id.emplace(g.id, std::move(g));
  }
  std::unordered_map<std::string, std::vector<Message>> messages;
  const Result rows =
      t.exec("SELECT * FROM message WHERE conversation_id = ANY ($1::uuid[]) ORDER BY conversation_id, turn",
             Params().texts(conversations));
  for (size_t i = 0; i < rows.size(); ++i) {
    Message m = read_message(rows[i]);
    messages[m.conversation_id].push_back(std::move(m));
  }
  for (EligiblePair& p : pairs) {
    p.a = by_id.at(p.pair.generation_a_id);
    p.b = by_id.at(p.pair.generation_b_id);
    for (const Message& m : messages[p.pair.conversation_id]) {
      if (m.turn < p.pair.turn) p.prompt.push_back(m);
    }
  }
}

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
  if (m.tie > 0.0) json["tie"] = m.tie;  // left out at 0, so that hashes of snapshots of before ties stand
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
      "SELECT $1::uuid, (r->>'position')::bigint, r->>'kind', r->>'split', (r->>'pair')::uuid, "
      "nullif(r->>'chosen_generation', '')::uuid, nullif(r->>'chosen_rewrite', '')::uuid, "
      "nullif(r->>'rejected_generation', '')::uuid, (r->>'soft_label')::double precision, "
      "coalesce((r->>'tie')::double precision, 0), (r->>'margin')::double precision, (r->>'weight')::double precision, "
      "r->>'prompt_sha256', r->>'content_sha256' "
      "FROM jsonb_array_elements($2::jsonb) AS r",
      params);
  t.exec(
      "INSERT INTO snapshot_member_preference (snapshot_id, position, preference_id) "
      "SELECT $1::uuid, (r->>'position')::bigint, preference::uuid FROM jsonb_array_elements($2::jsonb) AS r, "
      "jsonb_array_elements_text(r->'preferences') AS preference",
      params);
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
  return m;
}

}  // namespace

std::vector<EligiblePair> eligible_pairs(Transaction& t, const EligibleFilter& filter) {
  std::vector<EligiblePair> pairs;
  PairIndex index;
  const Result rows = t.exec(kEligiblePairs, Params().texts(filter.locales));
  for (size_t i = 0; i < rows.size(); ++i) {
    EligiblePair p;
    p.pair = read_pair(rows[i]);
    p.locale = rows[i].text("locale");
    p.source = word<Source>(rows[i], "source");
    index.emplace(p.pair.id, pairs.size());
    pairs.push_back(std::move(p));
  }
  add_votes(t, filter, index, pairs);
  std::erase_if(pairs, [](const EligiblePair& p) { return p.votes.empty() && p.rewrites.empty(); });
  add_texts(t, pairs);
  return pairs;
}

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
      "SELECT m.*, pair.conversation_id, pair.turn, c.locale, g.text AS chosen_text, w.text AS rewrite_text, "
      "r.text AS rejected_text, ARRAY(SELECT mp.preference_id FROM snapshot_member_preference mp "
      "WHERE mp.snapshot_id = m.snapshot_id AND mp.position = m.position ORDER BY 1) AS preference_ids, "
      "c.withdrawn_at IS NOT NULL OR writer.withdrawn_at IS NOT NULL OR EXISTS (SELECT FROM "
      "snapshot_member_preference mp JOIN preference p ON p.id = mp.preference_id JOIN visitor v "
      "ON v.id = p.visitor_id WHERE mp.snapshot_id = m.snapshot_id AND mp.position = m.position "
      "AND v.withdrawn_at IS NOT NULL) AS withdrawn "
      "FROM snapshot_member m JOIN pair ON pair.id = m.pair_id JOIN conversation c ON c.id = pair.conversation_id "
      "LEFT JOIN generation g ON g.id = m.chosen_generation_id LEFT JOIN generation r ON r.id = "
      "m.rejected_generation_id "
      "LEFT JOIN rewrite w ON w.id = m.chosen_rewrite_id LEFT JOIN visitor writer ON writer.id = w.visitor_id "
      "WHERE m.snapshot_id = $1::uuid AND ($2::text IS NULL OR m.split = $2) ORDER BY m.position",
      params);
  const Result messages = t.exec(
      "SELECT * FROM message WHERE conversation_id IN (SELECT pair.conversation_id FROM snapshot_member m "
      "JOIN pair ON pair.id = m.pair_id WHERE m.snapshot_id = $1::uuid AND ($2::text IS NULL OR m.split = $2)) "
      "ORDER BY conversation_id, turn",
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

}  // namespace afina::storage
