// SPDX-License-Identifier: Apache-2.0
// Pairs of answers, who was shown them on which side, and what people said. Judgements are append-only: a correction or
// an undo is a new row that supersedes; the chain of an exposure is a line, and its last row stands unless it is a
// retraction. Votes are about the pair's A and B, never about left and right.
#pragma once
#include <string>
#include <vector>

#include "storage/judgements/details.h"
#include "storage/judgements/screen.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

inline constexpr size_t kMaxRewriteBytes = 32 * 1024;

/// Two answers to the same messages. Unordered uniqueness: (a, b) and (b, a) are one pair.
struct Pair {
  std::string id = new_uuid();
  std::string conversation_id;
  int turn = 0;
  std::string generation_a_id, generation_b_id;
  Time created_at{};
};

/// A pair as one visitor saw it.
struct Exposure {
  std::string id = new_uuid();
  std::string pair_id;
  std::string visitor_id;
  std::string annotator_id;  ///< filled in from the visitor
  bool a_on_left = true;     ///< random; stored for position bias
  Time shown_at{};
  std::optional<Time> revealed_at;      ///< when the models' names were shown; later votes are not blind
  bool leak_a = false, leak_b = false;  ///< the answer seems to name its maker; votes on it may not be blind
};

struct NewPreference {
  std::string id = new_uuid();
  std::string exposure_id;
  std::string visitor_id;  ///< who votes; must own the exposure
  Outcome outcome = Outcome::graded;
  int grade = 0;                  ///< −3 (B much better) … 3 (A much better); 0 unless graded
  std::optional<int> confidence;  ///< 1 (a guess) … 4 (certain)
  std::string reason;             ///< at most 4000 bytes
  std::optional<int64_t> ms_to_decide;
  std::string idempotency_key;  ///< 1..64 characters, unique for an annotator
  std::string supersedes_id;    ///< the row this corrects; empty: the first vote, or one after a retraction
  Source source = Source::web;
  JudgementDetails details;      ///< of the pair's answers; written with the vote, superseded with it
  std::string rewrite;           ///< an answer better than both, at most kMaxRewriteBytes; empty: none
  std::optional<Screen> screen;  ///< how the pair stood, where the page told
};

struct Preference {
  std::string id, exposure_id, pair_id, annotator_id, visitor_id;
  std::string annotator_name;  ///< pseudonym; empty for anonymous people
  Outcome outcome = Outcome::graded;
  int grade = 0;
  std::optional<int> confidence;
  std::string reason;
  std::optional<int64_t> ms_to_decide;
  std::string idempotency_key, body_sha256, supersedes_id;
  Source source = Source::web;
  bool blind = true;        ///< cast before the models' names were shown
  bool superseded = false;  ///< a later row took its place
  std::optional<Screen> screen;
  Time created_at{};
};
/// stored: the row in the table. created: false where the same key had brought the same body before.
struct PutPreference {
  Preference stored;
  bool created = true;
};

/// Returns the stored pair, which may be an earlier one of the same two answers. Throws NotFound for an unknown answer,
/// DataError for two of different turns or an answer with an error.
Pair create_pair(Transaction& t, const std::string& generation_a_id, const std::string& generation_b_id);
/// Throws NotFound for an unknown one.
Pair get_pair(Transaction& t, const std::string& pair_id);
/// Throws NotFound for an unknown pair or visitor. A visitor sees a pair once: the earlier exposure is returned.
Exposure create_exposure(Transaction& t, const Exposure& exposure);
/// Takes the leak marks of the pair's earlier exposures, since they are about its answers.
void inherit_leaks(Transaction& t, Exposure& exposure);
/// Throws NotFound where it is not this visitor's.
Exposure get_exposure(Transaction& t, const std::string& exposure_id, const std::string& visitor_id);
/// Of how many pairs pairs_to_judge counts the votes.
inline constexpr int64_t kNewestToJudge = 200;
/// Pairs of the workspace that this visitor's annotator has not seen, whose owners allowed review: of the newest
/// kNewestToJudge those with the fewest votes. For more judgements on the same answers. None that a task project
/// brought from a file, and none whose answer a project knows (training, gold): those are for its annotators alone.
std::vector<Pair> pairs_to_judge(Transaction& t, const std::string& visitor_id, const std::string& workspace_id,
                                 int64_t limit);

/// SHA-256 over everything the person said in the act (not id, visitor or time).
std::string preference_body_sha256(const NewPreference& preference);
/// Same key and body: the stored row. Same key, other body: Conflict. Somebody else's or an unknown exposure: NotFound.
/// A second first vote, or one that corrects a row already corrected: Conflict. Grade or key out of range: DataError.
PutPreference put_preference(Transaction& t, const NewPreference& preference);
/// Undo: a superseding row with outcome retracted. Repeatable by key as above.
PutPreference retract_preference(Transaction& t, const std::string& preference_id, const std::string& visitor_id,
                                 const std::string& idempotency_key);
/// The row that stands for an exposure, if any. Throws NotFound where it is not this visitor's.
std::optional<Preference> standing_preference(Transaction& t, const std::string& exposure_id,
                                              const std::string& visitor_id);
/// Marks the names as shown and returns the exposure; again: the first time stands. Throws Conflict before a vote.
Exposure reveal_exposure(Transaction& t, const std::string& exposure_id, const std::string& visitor_id);

/// An answer somebody wrote that is better than both of a pair. text: 1 to kMaxRewriteBytes bytes.
struct Rewrite {
  std::string id = new_uuid();
  std::string exposure_id;    ///< of a pair that was shown; or
  std::string generation_id;  ///< of one answer that stands in no pair, and which the visitor may judge
  std::string pair_id;        ///< filled in
  std::string visitor_id;
  std::string annotator_id;  ///< filled in
  std::string text;
  std::string sha256;  ///< of text; computed
  std::string idempotency_key;
  Source source = Source::web;
  std::string act_id;  ///< the vote, note or submission it came with and falls with; empty: it stands by itself
  Time created_at{};
};
/// As put_preference for keys and owners.
Rewrite put_rewrite(Transaction& t, const Rewrite& rewrite);

}  // namespace afina::storage
