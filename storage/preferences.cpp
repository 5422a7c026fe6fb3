// SPDX-License-Identifier: Apache-2.0
#include "storage/preferences.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxKeyBytes = 64;
constexpr size_t kMaxReasonBytes = 4000;

void check_key(const std::string& key) {
  if (key.empty() || key.size() > kMaxKeyBytes) {
    throw DataError(cat("[storage.preferences] an idempotency key must have 1 to ", kMaxKeyBytes, " bytes, but has ",
                        key.size(), "."));
  }
}

void check_preference(const NewPreference& p) {
  check_key(p.idempotency_key);
  if (p.grade < -3 || p.grade > 3) {
    throw DataError(cat("[storage.preferences] a grade must be between -3 and 3, but is ", p.grade, "."));
  }
  if (p.outcome != Outcome::graded && p.grade != 0) {
    throw DataError(cat("[storage.preferences] only a graded vote must have a grade, but ", to_string(p.outcome),
                        " has ", p.grade, "."));
  }
  if (p.confidence && (*p.confidence < 1 || *p.confidence > 4)) {
    throw DataError(cat("[storage.preferences] a confidence must be between 1 and 4, but is ", *p.confidence, "."));
  }
  if (p.reason.size() > kMaxReasonBytes) {
    throw DataError(cat("[storage.preferences] a reason must have at most ", kMaxReasonBytes, " bytes, but has ",
                        p.reason.size(), "."));
  }
  if (p.ms_to_decide && *p.ms_to_decide < 0) {
    throw DataError("[storage.preferences] ms_to_decide must not be negative, but is.");
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

std::optional<Preference> preference_with_key(Transaction& t, const std::string& annotator_id, const std::string& key) {
  return first_preference(t.exec(
      cat("SELECT ", kPreferenceColumns, " FROM preference p WHERE annotator_id = $1::uuid AND idempotency_key = $2"),
      Params().text(annotator_id).text(key)));
}

// The last row of the exposure's line, retracted or not.
std::optional<Preference> newest_preference(Transaction& t, const std::string& exposure_id) {
  return first_preference(t.exec(cat("SELECT ", kPreferenceColumns,
                                     " FROM preference p WHERE p.exposure_id = $1::uuid AND NOT EXISTS "
                                     "(SELECT FROM preference later WHERE later.supersedes_id = p.id)"),
                                 Params().text(exposure_id)));
}

// Which row the new one takes the place of; empty for the first. Throws Conflict where that is not open.
std::string place_in_line(const NewPreference& p, const std::optional<Preference>& newest) {
  if (p.supersedes_id.empty()) {
    if (newest && newest->outcome != Outcome::retracted) {
      throw Conflict(
          cat("[storage.preferences] a pair must have one vote of a person, but ", p.exposure_id, " has one already."),
          "correct it by naming the vote it supersedes, or take it back first");
    }
    return newest ? newest->id : "";
  }
  if (!newest || newest->id != p.supersedes_id || newest->outcome == Outcome::retracted) {
    throw Conflict(cat("[storage.preferences] a correction must supersede the vote that stands, but '",
                       p.supersedes_id.substr(0, 100), "' does not stand."),
                   "load the pair again");
  }
  return newest->id;
}

}  // namespace

std::string preference_body_sha256(const NewPreference& p) {
  const Json body{{"exposure", p.exposure_id},
                  {"outcome", to_string(p.outcome)},
                  {"grade", p.grade},
                  {"confidence", p.confidence ? Json(*p.confidence) : Json()},
                  {"reason", p.reason},
                  {"ms_to_decide", p.ms_to_decide ? Json(*p.ms_to_decide) : Json()},
                  {"supersedes", p.supersedes_id},
                  {"source", to_string(p.source)}};
  return sha256_hex(dump_json(body));
}

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
      "INSERT INTO exposure (id, pair_id, visitor_id, annotator_id, a_on_left) SELECT $1::uuid, pair.id, $3::uuid, "
      "$4::uuid, $5::boolean FROM pair JOIN conversation c ON c.id = pair.conversation_id "
      "WHERE pair.id = $2::uuid AND c.withdrawn_at IS NULL ON CONFLICT DO NOTHING",
      Params()
          .text(exposure.id)
          .text(exposure.pair_id)
          .text(exposure.visitor_id)
          .text(owner.one().text("annotator_id"))
          .boolean(exposure.a_on_left));
  const Result rows = t.exec("SELECT * FROM exposure WHERE pair_id = $1::uuid AND visitor_id = $2::uuid",
                             Params().text(exposure.pair_id).text(exposure.visitor_id));
  if (rows.empty()) throw_not_found(exposure.pair_id, "a pair");
  return read_exposure(rows.one());
}

Exposure get_exposure(Transaction& t, const std::string& exposure_id, const std::string& visitor_id) {
  require_uuid(exposure_id, "a pair shown to this visitor");
  require_uuid(visitor_id, "a visitor");
  const Result rows = t.exec("SELECT * FROM exposure WHERE id = $1::uuid AND visitor_id = $2::uuid",
                             Params().text(exposure_id).text(visitor_id));
  if (rows.empty()) throw_not_found(exposure_id, "a pair shown to this visitor");
  return read_exposure(rows.one());
}

std::vector<Pair> pairs_to_judge(Transaction& t, const std::string& visitor_id, int64_t limit) {
  require_uuid(visitor_id, "a visitor");
  const Result rows = t.exec(
      "SELECT pair.* FROM pair JOIN conversation c ON c.id = pair.conversation_id "
      "JOIN visitor owner ON owner.id = c.visitor_id JOIN current_consent k ON k.visitor_id = owner.id "
      "WHERE c.withdrawn_at IS NULL AND owner.withdrawn_at IS NULL AND k.granted AND 'review' = ANY (k.purposes) "
      "AND NOT EXISTS (SELECT FROM exposure e JOIN visitor me ON me.annotator_id = e.annotator_id "
      "                WHERE me.id = $1::uuid AND e.pair_id = pair.id) "
      "ORDER BY (SELECT count(*) FROM standing_preference s WHERE s.pair_id = pair.id), pair.id LIMIT $2::bigint",
      Params().text(visitor_id).integer(limit));
  std::vector<Pair> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back(read_pair(rows[i]));
  }
  return out;
}

PutPreference put_preference(Transaction& t, const NewPreference& p) {
  check_preference(p);
  const Exposure exposure = lock_exposure(t, p.exposure_id, p.visitor_id);
  const std::string body = preference_body_sha256(p);
  if (const auto earlier = preference_with_key(t, exposure.annotator_id, p.idempotency_key)) {
    if (earlier->body_sha256 == body) return {*earlier, false};
    throw Conflict(cat("[storage.preferences] idempotency key '", p.idempotency_key,
                       "' must come with the same vote again, but came with another."),
                   "use a new key for a new vote");
  }
  const std::string superseded = place_in_line(p, newest_preference(t, p.exposure_id));
  t.exec(
      "INSERT INTO preference (id, exposure_id, pair_id, visitor_id, annotator_id, outcome, grade, confidence, reason, "
      "ms_to_decide, idempotency_key, body_sha256, supersedes_id, source, blind) VALUES ($1::uuid, $2::uuid, $3::uuid, "
      "$4::uuid, $5::uuid, $6, $7::smallint, $8::smallint, $9, $10::bigint, $11, $12, $13::uuid, $14, $15::boolean)",
      Params()
          .text(p.id)
          .text(p.exposure_id)
          .text(exposure.pair_id)
          .text(p.visitor_id)
          .text(exposure.annotator_id)
          .text(to_string(p.outcome))
          .integer(p.outcome == Outcome::graded ? std::optional<int>(p.grade) : std::nullopt)
          .integer(p.confidence)
          .text(p.reason)
          .integer(p.ms_to_decide)
          .text(p.idempotency_key)
          .text(body)
          .text_or_null(superseded)
          .text(to_string(p.source))
          .boolean(!exposure.revealed_at));
  return {*preference_with_key(t, exposure.annotator_id, p.idempotency_key), true};
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
  if (rewrite.text.empty()) throw DataError("[storage.preferences] a rewrite must not be empty, but is.");
  const Exposure exposure = lock_exposure(t, rewrite.exposure_id, rewrite.visitor_id);
  const std::string hash = sha256_hex(rewrite.text);
  t.exec(
      "INSERT INTO rewrite (id, exposure_id, pair_id, visitor_id, annotator_id, text, sha256, idempotency_key, source) "
      "VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid, $6, $7, $8, $9) "
      "ON CONFLICT (annotator_id, idempotency_key) DO NOTHING",
      Params()
          .text(rewrite.id)
          .text(rewrite.exposure_id)
          .text(exposure.pair_id)
          .text(rewrite.visitor_id)
          .text(exposure.annotator_id)
          .text(rewrite.text)
          .text(hash)
          .text(rewrite.idempotency_key)
          .text(to_string(rewrite.source)));
  const Result rows = t.exec("SELECT * FROM rewrite WHERE annotator_id = $1::uuid AND idempotency_key = $2",
                             Params().text(exposure.annotator_id).text(rewrite.idempotency_key));
  const Rewrite stored = read_rewrite(rows.one());
  if (stored.sha256 != hash || stored.exposure_id != rewrite.exposure_id) {
    throw Conflict(cat("[storage.preferences] idempotency key '", rewrite.idempotency_key,
                       "' must come with the same text again, but came with another."));
  }
  return stored;
}

}  // namespace afina::storage
