// SPDX-License-Identifier: Apache-2.0
#include "storage/judgements/answer_notes.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxReasonBytes = 4000, kMaxRewriteBytes = 32 * 1024, kMaxKeyBytes = 64;

void check(const NewAnswerNote& note) {
  const auto elsewhere = [&](const auto& row) { return row.generation_id != note.generation_id; };
  const JudgementDetails& d = note.details;
  if (std::any_of(d.aspects.begin(), d.aspects.end(), elsewhere) ||
      std::any_of(d.flags.begin(), d.flags.end(), elsewhere) ||
      std::any_of(d.spans.begin(), d.spans.end(), elsewhere)) {
    throw DataError("[storage.judgements] a note must be about its own answer, but names another.");
  }
  if (note.reason.size() > kMaxReasonBytes || note.rewrite.size() > kMaxRewriteBytes || note.idempotency_key.empty() ||
      note.idempotency_key.size() > kMaxKeyBytes) {
    throw DataError("[storage.judgements] a note must keep its limits of bytes, but does not.");
  }
  if (d.aspects.empty() && d.flags.empty() && d.spans.empty() && note.reason.empty() && note.rewrite.empty()) {
    throw DataError("[storage.judgements] a note must say something, but is empty.");
  }
}

std::string body_sha256(const NewAnswerNote& note) {
  return sha256_hex(dump_json(Json{{"answer", note.generation_id},
                                   {"reason", note.reason},
                                   {"rewrite", note.rewrite},
                                   {"details", details_text(note.details)},
                                   {"source", to_string(note.source)}}));
}

AnswerNote read_note(Transaction& t, const Row& row) {
  AnswerNote note{row.text("id"),
                  row.text("generation_id"),
                  row.text("reason"),
                  row.text("rewrite"),
                  row.text("idempotency_key"),
                  row.text("body_sha256"),
                  row.text("supersedes_id"),
                  {},
                  row.time("created_at")};
  note.details = get_details(t, note.id);
  return note;
}

// The answer's row, its person's annotator, and nobody else at it until the transaction ends.
Row lock_answer(Result& rows, Transaction& t, const NewAnswerNote& note) {
  require_uuid(note.conversation_id, "a conversation");
  require_uuid(note.generation_id, "an answer");
  require_uuid(note.visitor_id, "a visitor");
  rows = t.exec(
      "SELECT g.turn, v.annotator_id FROM generation g JOIN conversation c ON c.id = g.conversation_id "
      "JOIN visitor v ON v.id = c.visitor_id WHERE g.id = $1::uuid AND c.id = $2::uuid AND v.id = $3::uuid "
      "AND c.withdrawn_at IS NULL AND v.withdrawn_at IS NULL FOR NO KEY UPDATE OF c",
      Params().text(note.generation_id).text(note.conversation_id).text(note.visitor_id));
  if (rows.empty()) throw_not_found(note.generation_id, "an answer in a conversation of this visitor");
  return rows.one();
}

// It trains as those of pairs do.
void put_rewrite_of(Transaction& t, const NewAnswerNote& note) {
  if (note.rewrite.empty()) return;
  Rewrite rewrite;
  rewrite.generation_id = note.generation_id;
  rewrite.visitor_id = note.visitor_id;
  rewrite.text = note.rewrite;
  rewrite.idempotency_key = note.id;
  rewrite.source = note.source;
  rewrite.act_id = note.id;
  put_rewrite(t, rewrite);
}

}  // namespace

PutAnswerNote put_answer_note(Transaction& t, const NewAnswerNote& note) {
  check(note);
  Result locked({}, {}, 0, 0);
  const Row answer = lock_answer(locked, t, note);
  const std::string annotator_id = answer.text("annotator_id"), hash = body_sha256(note);
  const Params by_key = Params().text(annotator_id).text(note.idempotency_key);
  const char* earlier_sql = "SELECT * FROM answer_note WHERE annotator_id = $1::uuid AND idempotency_key = $2";
  const Result earlier = t.exec(earlier_sql, by_key);
  if (!earlier.empty()) {
    if (earlier.one().text("body_sha256") == hash) return {read_note(t, earlier.one()), false};
    throw Conflict(cat("[storage.judgements] idempotency key '", note.idempotency_key,
                       "' must come with the same note again, but came with another."),
                   "use a new key for a new note");
  }
  const auto standing = standing_answer_note(t, note.generation_id, note.visitor_id);
  t.exec(
      "INSERT INTO answer_note (id, conversation_id, turn, generation_id, visitor_id, annotator_id, reason, rewrite, "
      "idempotency_key, body_sha256, supersedes_id, source) VALUES ($1::uuid, $2::uuid, $3::integer, $4::uuid, "
      "$5::uuid, $6::uuid, $7, $8, $9, $10, $11::uuid, $12)",
      Params()
          .text(note.id)
          .text(note.conversation_id)
          .integer(answer.integer("turn"))
          .text(note.generation_id)
          .text(note.visitor_id)
          .text(annotator_id)
          .text(note.reason)
          .text(note.rewrite)
          .text(note.idempotency_key)
          .text(hash)
          .text_or_null(standing ? standing->id : "")
          .text(to_string(note.source)));
  put_details(t, {note.id, note.visitor_id, annotator_id}, note.details);
  put_rewrite_of(t, note);
  const Result stored = t.exec(earlier_sql, by_key);
  return {read_note(t, stored.one()), true};
}

std::optional<AnswerNote> standing_answer_note(Transaction& t, const std::string& generation_id,
                                               const std::string& visitor_id) {
  const Result rows =
      t.exec("SELECT * FROM standing_answer_note WHERE generation_id = $1::uuid AND visitor_id = $2::uuid",
             Params().text(generation_id).text(visitor_id));
  if (rows.empty()) return std::nullopt;
  return read_note(t, rows.one());
}

}  // namespace afina::storage
