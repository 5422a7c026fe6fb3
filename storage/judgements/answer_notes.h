// SPDX-License-Identifier: Apache-2.0
// What a person says about one answer that stands in no pair: an act of its own, to which details may belong. The notes
// of one person on one answer are a line of superseding rows; the last one stands.
#pragma once
#include <optional>
#include <string>

#include "storage/judgements/details.h"

namespace afina::storage {

struct NewAnswerNote {
  std::string id = new_uuid();
  std::string conversation_id;
  std::string generation_id;
  std::string visitor_id;  ///< whose conversation it is
  std::string reason;      ///< at most 4000 bytes
  std::string rewrite;     ///< a better answer, at most 32 KiB; may be empty
  std::string idempotency_key;
  JudgementDetails details;  ///< of generation_id only
  Source source = Source::web;
};

struct AnswerNote {
  std::string id, generation_id, reason, rewrite, idempotency_key, body_sha256, supersedes_id;
  JudgementDetails details;
  Time created_at{};
};
struct PutAnswerNote {
  AnswerNote stored;
  bool created = true;  ///< false where the same key had brought the same body before
};

/// Takes the place of the person's earlier note on that answer. NotFound: not this person's conversation, or the answer
/// is not in it. Conflict: the key came with another body. DataError: says nothing, or a value out of range.
PutAnswerNote put_answer_note(Transaction& t, const NewAnswerNote& note);
/// The note that stands, of one's own.
std::optional<AnswerNote> standing_answer_note(Transaction& t, const std::string& generation_id,
                                               const std::string& visitor_id);

}  // namespace afina::storage
