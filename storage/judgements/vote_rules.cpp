// SPDX-License-Identifier: Apache-2.0
// What a vote may say, the hash that guards its key, and the errors that its refusals stand for.
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "storage/judgements/votes.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr size_t kMaxKeyBytes = 64, kMaxReasonBytes = 4000;

}  // namespace

void check_vote(const NewPreference& p) {
  if (p.idempotency_key.empty() || p.idempotency_key.size() > kMaxKeyBytes) {
    throw DataError(cat("[storage.preferences] an idempotency key must have 1 to ", kMaxKeyBytes, " bytes, but has ",
                        p.idempotency_key.size(), "."));
  }
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
  if (p.rewrite.size() > kMaxRewriteBytes) {
    throw DataError(cat("[storage.preferences] a rewrite must have at most ", kMaxRewriteBytes, " bytes, but has ",
                        p.rewrite.size(), "."));
  }
  check_screen(p.screen);
}

std::string preference_body_sha256(const NewPreference& p) {
  Json body{{"exposure", p.exposure_id},
            {"outcome", to_string(p.outcome)},
            {"grade", p.grade},
            {"confidence", p.confidence ? Json(*p.confidence) : Json()},
            {"reason", p.reason},
            {"ms_to_decide", p.ms_to_decide ? Json(*p.ms_to_decide) : Json()},
            {"supersedes", p.supersedes_id},
            {"source", to_string(p.source)}};
  // Only where they say something: a vote without them keeps the hash it had before they existed.
  if (!p.details.empty()) body["details"] = details_text(p.details);
  if (!p.rewrite.empty()) body["rewrite"] = p.rewrite;
  if (p.screen) body["screen"] = screen_text(*p.screen);
  return sha256_hex(dump_json(body));
}

void throw_refusal(VoteRefusal refusal, const NewPreference& p) {
  switch (refusal) {
    case VoteRefusal::session_ended:
    case VoteRefusal::not_found:
      throw_not_found(p.exposure_id, "a pair shown to this visitor");
    case VoteRefusal::key_reused:
      throw Conflict(cat("[storage.preferences] idempotency key '", p.idempotency_key,
                         "' must come with the same vote again, but came with another."),
                     "use a new key for a new vote");
    case VoteRefusal::already_voted:
      throw Conflict(
          cat("[storage.preferences] a pair must have one vote of a person, but ", p.exposure_id, " has one already."),
          "correct it by naming the vote it supersedes, or take it back first");
    case VoteRefusal::not_standing:
      throw Conflict(cat("[storage.preferences] a correction must supersede the vote that stands, but '",
                         p.supersedes_id.substr(0, 100), "' does not stand."),
                     "load the pair again");
    case VoteRefusal::revealed:
      throw Conflict("[storage.preferences] a vote must stand once the models' names were shown.");
    case VoteRefusal::none:
      break;
  }
  throw InternalError("[storage.preferences] a refusal must have a reason, but has none.");
}

}  // namespace afina::storage
