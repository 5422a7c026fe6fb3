// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/hash.h"
#include "storage/transaction.h"
#include "storage/transfer/imports.h"

namespace afina::storage {
namespace {

// One statement for many rows: a column of texts from each, cast in the SQL.
template <typename T, typename F>
std::vector<std::string> column(const std::vector<T>& rows, F&& field) {
  std::vector<std::string> out;
  out.reserve(rows.size());
  for (const T& row : rows)
    out.emplace_back(field(row));
  return out;
}

int64_t inserted(const Result& result) {
  return static_cast<int64_t>(result.affected());
}

// A person stands under the declarations of all files of the source that name them.
void add_people(Transaction& t, const Import& import, const std::vector<ImportedPerson>& people) {
  if (people.empty()) return;
  const auto ids = column(people, [](const auto& p) { return p.annotator_id; });
  const auto visitors = column(people, [](const auto& p) { return p.visitor_id; });
  t.exec(
      "INSERT INTO annotator (id, kind, name) SELECT a, 'anonymous', n FROM unnest($1::uuid[], $2::text[]) AS u(a, n) "
      "ON CONFLICT DO NOTHING",
      Params().texts(ids).texts(column(people, [](const auto& p) { return p.name; })));
  t.exec(
      "INSERT INTO visitor (id, annotator_id, locale, source, receipt_sha256, workspace_id) "
      "SELECT v, a, $5, 'import', r, $4::uuid FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS u(v, a, r) "
      "ON CONFLICT DO NOTHING",
      Params()
          .texts(visitors)
          .texts(ids)
          .texts(column(people, [](const auto&) { return sha256_hex(random_hex(32)); }))
          .text(import.workspace_id)
          .text(import.locale));
  t.exec(
      "INSERT INTO consent_event (id, visitor_id, text_id, granted, purposes) "
      "SELECT e, v, $3::uuid, true, $4::text[] FROM unnest($1::uuid[], $2::uuid[]) AS u(e, v) "
      "WHERE NOT EXISTS (SELECT FROM consent_event c WHERE c.visitor_id = v)",
      Params()
          .texts(column(people, [](const auto&) { return new_uuid(); }))
          .texts(visitors)
          .text(import.text_id)
          .texts(import.purposes));
  widen_consent(t, import, visitors);
}

int64_t add_conversations(Transaction& t, const Import& import, const std::vector<ImportedConversation>& rows) {
  if (rows.empty()) return 0;
  const auto ids = column(rows, [](const auto& c) { return c.id; });
  const int64_t added = inserted(
      t.exec("INSERT INTO conversation (id, visitor_id, consent_event_id, locale, mode, source, workspace_id) "
             "SELECT c, $4::uuid, (SELECT consent_event_id FROM current_consent WHERE visitor_id = $4::uuid), l, m, "
             "'import', $5::uuid FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u(c, l, m) ON CONFLICT DO NOTHING",
             Params()
                 .texts(ids)
                 .texts(column(rows, [](const auto& c) { return c.locale; }))
                 .texts(column(rows, [](const auto& c) { return to_string(c.mode); }))
                 .text(import.visitor_id)
                 .text(import.workspace_id)));
  t.exec(
      "INSERT INTO import_conversation (conversation_id, import_id, external_id) "
      "SELECT c, $3::uuid, x FROM unnest($1::uuid[], $2::text[]) AS u(c, x) ON CONFLICT DO NOTHING",
      Params().texts(ids).texts(column(rows, [](const auto& c) { return c.external_id; })).text(import.id));
  return added;
}

// What an earlier file of the source brought stays under that file's declaration.
int64_t count_narrower(Transaction& t, const Import& import, const std::vector<ImportedConversation>& rows) {
  return t
      .exec(
          "SELECT count(*) AS n FROM unnest($1::uuid[]) AS u(id) JOIN conversation c ON c.id = u.id "
          "JOIN LATERAL (SELECT granted, purposes FROM consent_event WHERE visitor_id = c.visitor_id "
          "ORDER BY created_at DESC, id DESC LIMIT 1) o ON NOT (o.granted AND o.purposes @> $2::text[])",
          Params().texts(column(rows, [](const auto& c) { return c.id; })).texts(import.purposes))
      .one()
      .integer("n");
}

int64_t add_texts(Transaction& t, const ImportBatch& batch) {
  int64_t answers = 0;
  if (!batch.generations.empty()) {
    const auto& rows = batch.generations;
    answers = inserted(t.exec(
        "INSERT INTO generation (id, conversation_id, turn, slot, model, text) SELECT * FROM "
        "unnest($1::uuid[], $2::uuid[], $3::integer[], $4::smallint[], $5::text[], $6::text[]) ON CONFLICT DO NOTHING",
        Params()
            .texts(column(rows, [](const auto& g) { return g.id; }))
            .texts(column(rows, [](const auto& g) { return g.conversation_id; }))
            .texts(column(rows, [](const auto& g) { return std::to_string(g.turn); }))
            .texts(column(rows, [](const auto& g) { return std::to_string(g.slot); }))
            .texts(column(rows, [](const auto& g) { return g.model; }))
            .texts(column(rows, [](const auto& g) { return g.text; }))));
  }
  if (batch.messages.empty()) return answers;
  const auto& rows = batch.messages;
  t.exec(
      "INSERT INTO message (id, conversation_id, turn, role, content, sha256, generation_id) "
      "SELECT m, c, n, r, x, h, nullif(g, '')::uuid FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], "
      "$5::text[], $6::text[], $7::text[]) AS u(m, c, n, r, x, h, g) ON CONFLICT DO NOTHING",
      Params()
          .texts(column(rows, [](const auto& m) { return m.id; }))
          .texts(column(rows, [](const auto& m) { return m.conversation_id; }))
          .texts(column(rows, [](const auto& m) { return std::to_string(m.turn); }))
          .texts(column(rows, [](const auto& m) { return m.role; }))
          .texts(column(rows, [](const auto& m) { return m.content; }))
          .texts(column(rows, [](const auto& m) { return sha256_hex(m.content); }))
          .texts(column(rows, [](const auto& m) { return m.generation_id; })));
  return answers;
}

void add_pairs(Transaction& t, const ImportBatch& batch) {
  if (!batch.pairs.empty()) {
    const auto& rows = batch.pairs;
    t.exec(
        "INSERT INTO pair (id, conversation_id, turn, generation_a_id, generation_b_id) SELECT * FROM "
        "unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::uuid[]) ON CONFLICT DO NOTHING",
        Params()
            .texts(column(rows, [](const auto& p) { return p.id; }))
            .texts(column(rows, [](const auto& p) { return p.conversation_id; }))
            .texts(column(rows, [](const auto& p) { return std::to_string(p.turn); }))
            .texts(column(rows, [](const auto& p) { return p.generation_a_id; }))
            .texts(column(rows, [](const auto& p) { return p.generation_b_id; })));
  }
  if (batch.exposures.empty()) return;
  const auto& rows = batch.exposures;
  // The stored visitor of that annotator: the first file's, where the source brought this person before.
  t.exec(
      "INSERT INTO exposure (id, pair_id, visitor_id, annotator_id, a_on_left) SELECT e, p, v.id, v.annotator_id, l "
      "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::boolean[]) AS u(e, p, w, l) JOIN visitor v ON v.id = w "
      "ON CONFLICT DO NOTHING",
      Params()
          .texts(column(rows, [](const auto& e) { return e.id; }))
          .texts(column(rows, [](const auto& e) { return e.pair_id; }))
          .texts(column(rows, [](const auto& e) { return e.visitor_id; }))
          .texts(column(rows, [](const auto& e) { return e.a_on_left ? "t" : "f"; })));
}

std::string optional_text(const auto& value) {
  return value ? std::to_string(*value) : std::string();
}

std::string size_text(const ImportedPreference& p, int Screen::*size) {
  return p.said.screen ? std::to_string((*p.said.screen).*size) : std::string();
}

constexpr const char* kInsertPreferences =
    "INSERT INTO preference (id, exposure_id, pair_id, visitor_id, annotator_id, outcome, grade, confidence, reason, "
    "ms_to_decide, idempotency_key, body_sha256, supersedes_id, source, blind, shown_layout, shown_width_px, "
    "shown_height_px) "
    "SELECT u.p, e.id, e.pair_id, e.visitor_id, e.annotator_id, u.o, nullif(u.g, '')::smallint, nullif(u.c, "
    "'')::smallint, "
    "u.r, nullif(u.ms, '')::bigint, 'import-' || u.p, u.h, nullif(u.s, '')::uuid, 'import', u.b, "
    "nullif(u.l, ''), nullif(u.w, '')::integer, nullif(u.t, '')::integer "
    "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], "
    "$9::text[], $10::boolean[], $11::text[], $12::text[], $13::text[]) "
    "WITH ORDINALITY AS u(p, x, o, g, c, r, ms, h, s, b, l, w, t, n) JOIN exposure e ON e.id = u.x "
    "WHERE u.s = '' OR EXISTS (SELECT FROM preference q WHERE q.id = nullif(u.s, '')::uuid AND q.exposure_id = e.id) "
    "ORDER BY u.n ON CONFLICT DO NOTHING RETURNING id";

// Those that were new.
std::vector<std::string> insert_preferences(Transaction& t, const std::vector<const ImportedPreference*>& rows) {
  if (rows.empty()) return {};
  const auto cells = [&](auto field) {
    return column(rows, [&](const ImportedPreference* p) { return std::string(field(*p)); });
  };
  const Result result = t.exec(
      kInsertPreferences, Params()
                              .texts(cells([](const auto& p) { return p.said.id; }))
                              .texts(cells([](const auto& p) { return p.said.exposure_id; }))
                              .texts(cells([](const auto& p) { return to_string(p.said.outcome); }))
                              .texts(cells([](const auto& p) {
                                return p.said.outcome == Outcome::graded ? std::to_string(p.said.grade) : std::string();
                              }))
                              .texts(cells([](const auto& p) { return optional_text(p.said.confidence); }))
                              .texts(cells([](const auto& p) { return p.said.reason; }))
                              .texts(cells([](const auto& p) { return optional_text(p.said.ms_to_decide); }))
                              .texts(cells([](const auto& p) { return preference_body_sha256(p.said); }))
                              .texts(cells([](const auto& p) { return p.said.supersedes_id; }))
                              .texts(cells([](const auto& p) { return p.blind ? "t" : "f"; }))
                              .texts(cells([](const auto& p) {
                                return p.said.screen ? to_string(p.said.screen->layout) : std::string_view();
                              }))
                              .texts(cells([](const auto& p) { return size_text(p, &Screen::width_px); }))
                              .texts(cells([](const auto& p) { return size_text(p, &Screen::height_px); })));
  std::vector<std::string> ids;
  for (size_t i = 0; i < result.size(); ++i)
    ids.push_back(result[i].text("id"));
  return ids;
}

int64_t add_preferences(Transaction& t, const ImportBatch& batch) {
  std::vector<const ImportedPreference*> first;
  std::unordered_set<std::string> added;
  for (const auto& row : batch.preferences)
    if (row.said.supersedes_id.empty()) first.push_back(&row);
  for (std::string& id : insert_preferences(t, first))
    added.insert(std::move(id));
  // A later row needs the one it corrects, so each waits for the one before.
  for (const auto& row : batch.preferences) {
    if (row.said.supersedes_id.empty()) continue;
    for (std::string& id : insert_preferences(t, {&row}))
      added.insert(std::move(id));
  }
  for (const auto& row : batch.preferences) {
    if (row.details.empty() || added.count(row.said.id) == 0) continue;
    const Result stored =
        t.exec("SELECT visitor_id, annotator_id FROM preference WHERE id = $1::uuid", Params().text(row.said.id));
    const Row who = stored.one();
    put_details(t, {row.said.id, who.text("visitor_id"), who.text("annotator_id")}, row.details);
  }
  return static_cast<int64_t>(added.size());
}

int64_t add_scores(Transaction& t, const std::vector<ImportedScore>& rows) {
  if (rows.empty()) return 0;
  std::vector<double> values, scales;
  for (const ImportedScore& row : rows) {
    values.push_back(row.value);
    scales.push_back(row.scale.value_or(0.0));
  }
  return inserted(
      t.exec("INSERT INTO answer_score (id, generation_id, visitor_id, annotator_id, value, question, scale) "
             "SELECT s, g, v.id, v.annotator_id, x, q, nullif(m, 0) "
             "FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::double precision[], $5::text[], "
             "$6::double precision[]) AS u(s, g, w, x, q, m) JOIN visitor v ON v.id = w ON CONFLICT DO NOTHING",
             Params()
                 .texts(column(rows, [](const auto& s) { return s.id; }))
                 .texts(column(rows, [](const auto& s) { return s.generation_id; }))
                 .texts(column(rows, [](const auto& s) { return s.visitor_id; }))
                 .reals(values)
                 .texts(column(rows, [](const auto& s) { return s.question; }))
                 .reals(scales)));
}

int64_t add_rankings(Transaction& t, const std::vector<ImportedRanking>& rows) {
  int64_t added = 0;
  for (const ImportedRanking& row : rows) {
    added += inserted(t.exec(
        "INSERT INTO answer_ranking (id, conversation_id, turn, visitor_id, annotator_id, generation_ids, ranks) "
        "SELECT $1::uuid, $2::uuid, $3, v.id, v.annotator_id, $5::uuid[], $6::smallint[] FROM visitor v "
        "WHERE v.id = $4::uuid ON CONFLICT DO NOTHING",
        Params()
            .text(row.id)
            .text(row.conversation_id)
            .integer(int64_t{row.turn})
            .text(row.visitor_id)
            .texts(row.generation_ids)
            .integers(row.ranks)));
  }
  return added;
}

int64_t add_rewrites(Transaction& t, const std::vector<Rewrite>& rows) {
  int64_t added = 0;
  for (const Rewrite& row : rows) {
    added += inserted(
        t.exec("INSERT INTO rewrite (id, exposure_id, pair_id, visitor_id, annotator_id, text, sha256, "
               "idempotency_key, source) "
               "SELECT $1::uuid, e.id, e.pair_id, e.visitor_id, e.annotator_id, $3, $4, 'import-' || $1, 'import' "
               "FROM exposure e WHERE e.id = $2::uuid ON CONFLICT DO NOTHING",
               Params().text(row.id).text(row.exposure_id).text(row.text).text(sha256_hex(row.text))));
  }
  return added;
}

}  // namespace

ImportCounts add_import_batch(Transaction& t, const Import& import, const ImportBatch& batch) {
  ImportCounts counts;
  add_people(t, import, batch.people);
  counts.conversations = add_conversations(t, import, batch.conversations);
  if (counts.conversations < static_cast<int64_t>(batch.conversations.size()))
    counts.narrower = count_narrower(t, import, batch.conversations);
  counts.answers = add_texts(t, batch);
  add_pairs(t, batch);
  counts.judgements = add_preferences(t, batch) + add_scores(t, batch.scores) + add_rankings(t, batch.rankings);
  add_rewrites(t, batch.rewrites);
  const size_t given =
      batch.preferences.size() + batch.scores.size() + batch.rankings.size() + batch.conversations.size();
  counts.existing = static_cast<int64_t>(given) - counts.judgements - counts.conversations;
  t.exec(
      "UPDATE import SET conversations = conversations + $2, answers = answers + $3, judgements = judgements + $4 "
      "WHERE id = $1::uuid",
      Params().text(import.id).integer(counts.conversations).integer(counts.answers).integer(counts.judgements));
  return counts;
}

}  // namespace afina::storage
