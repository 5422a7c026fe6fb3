// SPDX-License-Identifier: Apache-2.0
// Votes of many people in one transaction: one read and one insert, whatever their number; a lock and a second read for
// those on whose pair something was said before. A vote that may not stand says why in its result and leaves its
// neighbours alone. put_preference is a batch of one.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "storage/preferences.h"

namespace afina::storage {

/// What a person saw when they judged.
struct ShownPair {
  Exposure exposure;
  std::string generation_a_id, generation_b_id;
};

struct VoteDraft {
  NewPreference vote;
  /// Turns what was said about left and right into A and B, once the sides are known. Works on a copy of `vote` and may
  /// run again. Empty: the vote is about A and B already.
  std::function<void(NewPreference&, const ShownPair&)> resolve;
  bool blind_only = false;  ///< refuse a vote on a pair whose models were named
  /// SHA-256 of the visitor's session, where the caller has not asked whether it still holds; empty: nothing to ask.
  std::string session_sha256;
  std::string workspace_id;  ///< whose rows the vote may see; for the caller that opens the transaction
};

enum class VoteRefusal {
  none,
  session_ended,  ///< session_sha256 is not the visitor's any more
  not_found,      ///< somebody else's or an unknown exposure, or somebody withdrew
  key_reused,     ///< the key had brought another body
  already_voted,  ///< a first vote where one stands
  not_standing,   ///< a correction of a vote that does not stand
  revealed        ///< blind_only, and the names were shown
};

struct VoteResult {
  VoteRefusal refusal = VoteRefusal::none;
  PutPreference put;  ///< where none refused; of a new row without annotator_name
  ShownPair shown;    ///< unless not_found or session_ended
};

/// Throws DataError for a value out of range: callers check before they join a batch.
void check_vote(const NewPreference& vote);
/// In the order of drafts. No two drafts may share an exposure, or a visitor and a key. Throws what one vote alone
/// would throw for details that do not fit, and Conflict where another transaction voted on one of the pairs at this
/// moment: then nothing of the batch is stored, and each may be put alone (one alone waits for the other transaction).
/// Tells webhooks: preference.created and preference.retracted.
std::vector<VoteResult> put_votes(Transaction& t, const std::vector<VoteDraft>& drafts);
/// The row that this key of the annotator's brought, if any; also where it stands no more.
std::optional<Preference> preference_by_key(Transaction& t, const std::string& annotator_id, const std::string& key);
/// The error that a refusal stands for: NotFound or Conflict.
[[noreturn]] void throw_refusal(VoteRefusal refusal, const NewPreference& vote);

}  // namespace afina::storage
