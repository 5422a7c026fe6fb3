// SPDX-License-Identifier: Apache-2.0
#include "storage/preferences.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "storage/people.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxKeyBytes = 64;

void check_key(const std::string& key) {
  if (key.empty() || key.size() > kMaxKeyBytes) {
    throw DataError(cat("[storage.preferences] an idempotency key must have 1 to ", kMaxKeyBytes, " bytes, but has ",
                        key.size(), "."));
  }
}

// One act at a time on an exposure: repeats, corrections and undos of it queue here until the transaction ends.
Exposure lock_exposure(Transaction& t, const std::string& exposure_id, const std::string& visitor_id) {
  require_uuid(exposure_id, "a pair shown to this visitor");
  require_uuid(visitor_id, "a visitor");
  const Result rows = t.exec(
      "SELECT e.* FROM exposure e JOIN visitor v ON v.id = e.visitor_id JOIN pair ON pair.id = e.pair_id "
      "JOIN conversation c ON c.id = pair.conversation_id WHERE e.id = $1::uuid AND e.visitor_id = $2::uuid "
      "AND v.withdrawn_at IS NULL AND c.withdrawn_at IS NULL FOR NO KEY UPDATE OF e",
      Params().text(exposure_id).text(visitor_id));
  if (rows.empty()) throw_not_found(exposure_id, "a pair shown to this visitor");
  return read_exposure(rows.one());
}

std::optional<Preference> first_preference(const Result& rows) {
  return rows.empty() ? std::nullopt : std::optional<Preference>(read_preference(rows[0]));
}

// The last row of the exposure's line, retracted or not.
std::optional<Preference> newest_preference(Transaction& t, const std::string& exposure_id) {
  return first_preference(t.exec(cat("SELECT ", kPreferenceColumns,
                                     " FROM preference p WHERE p.exposure_id = $1::uuid AND NOT EXISTS "
                                     "(SELECT FROM preference later WHERE later.supersedes_id = p.id)"),
                                 Params().text(exposure_id)));
}

}  // namespace

Pair create_pair(Transaction& t, const std::string& generation_a_id, const std::string& generation_b_id) {
  require_uuid(generation_a_id, "an answer");
  require_uuid(generation_b_id, "an answer");
  const Params answers = Params().text(generation_a_id).text(generation_b_id);
  const Result found = t.exec(
      "SELECT a.conversation_id, a.turn, (a.conversation_id, a.turn) = (b.conversation_id, b.turn) AS together, "
      "a.error = '' AND b.error = '' AS whole FROM generation a, generation b "
      "WHERE a.id = $1::uuid AND b.id = $2::uuid",
      answers);
  if (found.empty()) throw_not_found(generation_a_id + " or " + generation_b_id, "an answer");
  const Row row = found.one();
  if (!row.boolean("together") || !row.boolean("whole") || generation_a_id == generation_b_id) {
    throw DataError(cat("[storage.preferences] a pair must be two whole answers to the same turn, but ",
                        generation_a_id, " and ", generation_b_id, " are not."));
  }
  t.exec(
      "INSERT INTO pair (id, conversation_id, turn, generation_a_id, generation_b_id) "
      "VALUES ($1::uuid, $2::uuid, $3::integer, $4::uuid, $5::uuid) ON CONFLICT DO NOTHING",
      Params()
          .text(new_uuid())
          .text(row.text("conversation_id"))
          .integer(row.integer("turn"))
          .text(generation_a_id)
          .text(generation_b_id));
  const Result rows = t.exec(
      "SELECT * FROM pair WHERE least(generation_a_id, generation_b_id) = least($1::uuid, $2::uuid) "
      "AND greatest(generation_a_id, generation_b_id) = greatest($1::uuid, $2::uuid)",
      answers);
  return read_pair(rows.one());
}

Pair get_pair(Transaction& t, const std::string& pair_id) {
  require_uuid(pair_id, "a pair");
  const Result rows = t.exec("SELECT * FROM pair WHERE id = $1::uuid", Params().text(pair_id));
  if (rows.empty()) throw_not_found(pair_id, "a pair");
  return read_pair(rows.one());
}

Exposure create_exposure(Transaction& t, const Exposure& exposure) {
  require_uuid(exposure.pair_id, "a pair");
  require_uuid(exposure.visitor_id, "a visitor");
  const Result owner = t.exec("SELECT annotator_id FROM visitor WHERE id = $1::uuid AND withdrawn_at IS NULL",
                              Params().text(exposure.visitor_id));
  if (owner.empty()) throw_not_found(exposure.visitor_id, "a visitor");
  t.exec(
      "INSERT INTO exposure (id, pair_id, visitor_id, annotator_id, a_on_left, leak_a, leak_b) SELECT $1::uuid, "
      "pair.id, "
      "$3::uuid, $4::uuid, $5::boolean, $6::boolean, $7::boolean FROM pair JOIN conversation c ON c.id = "
      "pair.conversation_id "
      "WHERE pair.id = $2::uuid AND c.withdrawn_at IS NULL ON CONFLICT DO NOTHING",
      Params()
          .text(exposure.id)
          .text(exposure.pair_id)
          .text(exposure.visitor_id)
          .text(owner.one().text("annotator_id"))
          .boolean(exposure.a_on_left)
          .boolean(exposure.leak_a)
          .boolean(exposure.leak_b));
  const Result rows = t.exec("SELECT * FROM exposure WHERE pair_id = $1::uuid AND visitor_id = $2::uuid",
                             Params().text(exposure.pair_id).text(exposure.visitor_id));
  if (rows.empty()) throw_not_found(exposure.pair_id, "a pair");
  return read_exposure(rows.one());
}

void inherit_leaks(Transaction& t, Exposure& exposure) {
  require_uuid(exposure.pair_id, "a pair");
  const Result rows = t.exec(
      "SELECT coalesce(bool_or(leak_a), false) AS leak_a, coalesce(bool_or(leak_b), false) AS leak_b FROM exposure "
      "WHERE pair_id = $1::uuid",
      Params().text(exposure.pair_id));
  exposure.leak_a = rows.one().boolean("leak_a");
  exposure.leak_b = rows.one().boolean("leak_b");
}

Exposure get_exposure(Transaction& t, const std::string& exposure_id, const std::string& visitor_id) {
  require_uuid(exposure_id, "a pair shown to this visitor");
  require_uuid(visitor_id, "a visitor");
  const Result rows = t.exec("SELECT * FROM exposure WHERE id = $1::uuid AND visitor_id = $2::uuid",
                             Params().text(exposure_id).text(visitor_id));
  if (rows.empty()) throw_not_found(exposure_id, "a pair shown to this visitor");
  return read_exposure(rows.one());
}

std::vector<Pair> pairs_to_judge(Transaction& t, const std::string& visitor_id, const std::string& workspace_id,
                                 int64_t limit) {
  require_uuid(visitor_id, "a visitor");
  require_uuid(workspace_id, "a workspace");
  // Consent is asked a pair at a time: joined, the view would be computed for everybody there is.
  const Result rows = t.exec(
      "SELECT * FROM (SELECT pair.* FROM pair JOIN conversation c ON c.id = pair.conversation_id "
      "JOIN visitor owner ON owner.id = c.visitor_id "
      "WHERE c.workspace_id = $2::uuid AND c.withdrawn_at IS NULL AND owner.withdrawn_at IS NULL "
      "AND (SELECT k.granted AND 'review' = ANY (k.purposes) FROM current_consent k WHERE k.visitor_id = owner.id) "
      "AND NOT EXISTS (SELECT FROM item i WHERE i.pair_id = pair.id AND (i.overlap IS NULL OR c.source = 'import')) "
      "AND NOT EXISTS (SELECT FROM exposure e JOIN visitor me ON me.annotator_id = e.annotator_id "
      "                WHERE me.id = $1::uuid AND e.pair_id = pair.id) "
      "ORDER BY pair.id DESC LIMIT $4::bigint) newest "
      "ORDER BY (SELECT count(*) FROM standing_preference s WHERE s.pair_id = newest.id), id LIMIT $3::bigint",
      Params().text(visitor_id).text(workspace_id).integer(limit).integer(std::max(limit, kNewestToJudge)));
  std::vector<Pair> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back(read_pair(rows[i]));
  }
  return out;
}

PutPreference retract_preference(Transaction& t, const std::string& preference_id, const std::string& visitor_id,
                                 const std::string& idempotency_key) {
  require_uuid(preference_id, "a vote of this visitor");
  require_uuid(visitor_id, "a visitor");
  const Result rows = t.exec("SELECT exposure_id, source FROM preference WHERE id = $1::uuid AND visitor_id = $2::uuid",
                             Params().text(preference_id).text(visitor_id));
  if (rows.empty()) throw_not_found(preference_id, "a vote of this visitor");
  NewPreference undo;
  undo.exposure_id = rows.one().text("exposure_id");
  undo.visitor_id = visitor_id;
  undo.outcome = Outcome::retracted;
  undo.idempotency_key = idempotency_key;
  undo.supersedes_id = preference_id;
  undo.source = word<Source>(rows.one(), "source");
  return put_preference(t, undo);
}

std::optional<Preference> standing_preference(Transaction& t, const std::string& exposure_id,
                                              const std::string& visitor_id) {
  get_exposure(t, exposure_id, visitor_id);
  auto newest = newest_preference(t, exposure_id);
  if (newest && newest->outcome == Outcome::retracted) newest.reset();
  return newest;
}

Exposure reveal_exposure(Transaction& t, const std::string& exposure_id, const std::string& visitor_id) {
  Exposure exposure = lock_exposure(t, exposure_id, visitor_id);
  if (exposure.revealed_at) return exposure;
  if (!standing_preference(t, exposure_id, visitor_id)) {
    throw Conflict(cat("[storage.preferences] a pair must be voted on before its models are named, but ", exposure_id,
                       " is not."));
  }
  const Result rows = t.exec("UPDATE exposure SET revealed_at = clock_timestamp() WHERE id = $1::uuid RETURNING *",
                             Params().text(exposure_id));
  return read_exposure(rows.one());
}

Rewrite put_rewrite(Transaction& t, const Rewrite& rewrite) {
  check_key(rewrite.idempotency_key);
  if (rewrite.text.empty() || rewrite.text.size() > kMaxRewriteBytes) {
    throw DataError(cat("[storage.preferences] a rewrite must have 1 to ", kMaxRewriteBytes, " bytes, but has ",
                        rewrite.text.size(), "."));
  }
  AFINA_CHECK(rewrite.exposure_id.empty() != rewrite.generation_id.empty(), "a rewrite is of a pair or of one answer");
  Exposure exposure;
  if (rewrite.generation_id.empty()) {
    exposure = lock_exposure(t, rewrite.exposure_id, rewrite.visitor_id);
  } else {
    exposure.annotator_id = get_visitor(t, rewrite.visitor_id).annotator_id;
  }
  const std::string hash = sha256_hex(rewrite.text);
  t.exec(
      "INSERT INTO rewrite (id, exposure_id, pair_id, visitor_id, annotator_id, text, sha256, idempotency_key, source, "
      "act_id, generation_id) VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid, $6, $7, $8, $9, $10::uuid, "
      "$11::uuid) "
      "ON CONFLICT (annotator_id, idempotency_key) DO NOTHING",
      Params()
          .text(rewrite.id)
          .text_or_null(rewrite.exposure_id)
          .text_or_null(exposure.pair_id)
          .text(rewrite.visitor_id)
          .text(exposure.annotator_id)
          .text(rewrite.text)
          .text(hash)
          .text(rewrite.idempotency_key)
          .text(to_string(rewrite.source))
          .text_or_null(rewrite.act_id)
          .text_or_null(rewrite.generation_id));
  const Result rows = t.exec("SELECT * FROM rewrite WHERE annotator_id = $1::uuid AND idempotency_key = $2",
                             Params().text(exposure.annotator_id).text(rewrite.idempotency_key));
  const Rewrite stored = read_rewrite(rows.one());
  if (stored.sha256 != hash || stored.exposure_id != rewrite.exposure_id ||
      stored.generation_id != rewrite.generation_id) {
    throw Conflict(cat("[storage.preferences] idempotency key '", rewrite.idempotency_key,
                       "' must come with the same text again, but came with another."));
  }
  return stored;
}

}  // namespace afina::storage
