// SPDX-License-Identifier: Apache-2.0
// What a person says about single answers besides the grade of a pair: ratings by aspect, flags, notes on spans. They
// belong to one act (a vote or a task's submission) and are written in its transaction. Append-only: the details of a
// superseded act are superseded with it.
#pragma once
#include <string>
#include <vector>

#include "storage/types.h"

namespace afina::storage {

class Transaction;

enum class Aspect { helpful, truthful, harmless, cultural_fit, dialect, clarity, follows_regulation };
std::string_view to_string(Aspect value);
bool from_string(std::string_view word, Aspect& out);

enum class FlagKind { toxic, personal_data, hallucination };
std::string_view to_string(FlagKind value);
bool from_string(std::string_view word, FlagKind& out);

struct AspectRating {
  std::string generation_id;
  Aspect aspect = Aspect::helpful;
  int value = 0;  ///< 1 (bad) … 5 (good)
};
struct Flag {
  std::string generation_id;
  FlagKind kind = FlagKind::toxic;
  std::string note;  ///< at most 1,000 bytes
};
struct SpanNote {
  std::string generation_id;
  int64_t start = 0, end = 0;  ///< code points of the answer's text, [start, end), not empty
  std::string kind;            ///< good, bad, wrong, personal_data, dialect, other
  std::string text;            ///< at most 1,000 bytes
};
struct JudgementDetails {
  std::vector<AspectRating> aspects;  ///< at most one for each answer and aspect
  std::vector<Flag> flags;
  std::vector<SpanNote> spans;
  std::string reason_language;  ///< BCP 47 of the reason as the person named it; may be empty
  bool empty() const { return aspects.empty() && flags.empty() && spans.empty() && reason_language.empty(); }
};

/// Whose act it is. act_id: id of the preference or of the task's submission.
struct Act {
  std::string act_id, visitor_id, annotator_id;
};

/// Canonical text of everything in it, for the hash that guards an idempotency key.
std::string details_text(const JudgementDetails& details);
/// What can be said without the answers: throws DataError for a value, length or number of rows out of range.
void check_details(const JudgementDetails& details);
/// Writes them; a repeat with the same act_id changes nothing. Throws DataError for a value out of range or a span
/// outside its answer, NotFound for an unknown answer, Conflict for an act_id of somebody else's act.
void put_details(Transaction& t, const Act& act, const JudgementDetails& details);
JudgementDetails get_details(Transaction& t, const std::string& act_id);

}  // namespace afina::storage
