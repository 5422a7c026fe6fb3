// SPDX-License-Identifier: Apache-2.0
#include "storage/judgements/regenerations.h"

#include "base/error.h"
#include "storage/transaction.h"

namespace afina::storage {

PutRegeneration put_regeneration(Transaction& t, const Regeneration& wanted) {
  require_uuid(wanted.conversation_id, "a conversation");
  // One at a time in a conversation: the number of an attempt is the next free one.
  t.exec("SELECT id FROM conversation WHERE id = $1::uuid FOR NO KEY UPDATE", Params().text(wanted.conversation_id));
  const Result earlier = t.exec("SELECT * FROM regeneration WHERE conversation_id = $1::uuid AND client_key = $2",
                                Params().text(wanted.conversation_id).text(wanted.client_key));
  if (!earlier.empty()) {
    const Row row = earlier.one();
    Regeneration stored = wanted;
    stored.id = row.text("id");
    stored.attempt = static_cast<int>(row.integer("attempt"));
    if (row.integer("turn") != wanted.turn || (!row.is_null("wishes") && row.text("wishes") != wanted.wishes)) {
      throw Conflict(cat("[storage.judgements] idempotency key '", wanted.client_key,
                         "' must ask for the same again, but asks for another turn or other answers."),
                     "use a new key");
    }
    return {stored, false};
  }
  Regeneration stored = wanted;
  stored.attempt = static_cast<int>(
      t.exec("SELECT greatest($3::integer, coalesce(max(attempt), 0) + 1) AS attempt FROM regeneration "
             "WHERE conversation_id = $1::uuid AND turn = $2::integer",
             Params().text(wanted.conversation_id).integer(wanted.turn).integer(wanted.attempt))
          .one()
          .integer("attempt"));
  t.exec(
      "INSERT INTO regeneration (id, conversation_id, turn, attempt, client_key, wishes) "
      "VALUES ($1::uuid, $2::uuid, $3::integer, $4::smallint, $5, $6)",
      Params()
          .text(stored.id)
          .text(stored.conversation_id)
          .integer(stored.turn)
          .integer(stored.attempt)
          .text(stored.client_key)
          .text(stored.wishes));
  return {stored, true};
}

}  // namespace afina::storage
