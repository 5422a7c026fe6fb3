// SPDX-License-Identifier: Apache-2.0
// What a snapshot may be made of, read in one consistent view: pairs with their votes, rankings of task projects as
// pairs, and verdicts of reviewers in the place of the votes and rewrites they settled. Nothing of people who withdrew
// or do not allow training, nothing of a project's training phase or known answers.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/conversations.h"
#include "storage/preferences.h"
#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct EligibleFilter {
  std::string workspace_id;          ///< of the conversations; empty: all
  std::vector<Source> sources;       ///< of the votes; empty: all. Verdicts of reviewers are of source web
  std::vector<std::string> locales;  ///< of the conversations; empty: all
  std::optional<Time> before;        ///< votes cast before
  bool blind_only = true;            ///< leave out votes cast after the models' names were shown
};

/// Whether an annotator of that name has no account: people without a name, and programs, which may say any
/// (is_program_name).
bool is_stranger(std::string_view annotator_name);

/// A reviewer's verdict on two answers.
struct Adjudicated {
  std::string id, annotator_id;
  Outcome outcome = Outcome::graded;
  int grade = 0;                     ///< 3: a is much better … −3: b is
  std::vector<Preference> replaced;  ///< the votes of the item that were left out for it
};

/// A reviewer's choice among the rewrites of an item.
struct ChosenRewrite {
  std::string adjudication_id;
  int64_t replaced = 0;  ///< rewrites that were left out for it
};

/// The grade that a ranking's strict order of two answers counts as; the same tier counts as 0.
inline constexpr int kRankingGrade = 2;

/// Two answers with everything a training row needs; or one that stands in no pair, with rewrites and without b.
struct EligiblePair {
  Pair pair;  ///< the id is empty of answers that were only ranked, and of one answer
  std::string locale, workspace_id;
  Source source = Source::web;  ///< of the conversation
  std::vector<Message> prompt;  ///< messages before the pair's turn
  Generation a, b;
  std::vector<Preference> votes;  ///< standing ones, oldest first; with ranked_item set one for each ranking
  std::vector<Rewrite> rewrites;
  std::set<std::string> known_rewriters;  ///< annotators of rewrites who are no strangers
  std::optional<Adjudicated> adjudicated;
  /// Rewrites that a reviewer chose among those of an item, which are left out: rewrite to verdict.
  std::map<std::string, ChosenRewrite> chosen_rewrites;
  /// How many answers were ordered at once where these two were part of a ranking; 0: they were judged by themselves.
  int ranked = 0;
  std::string ranking;       ///< equal for the pairs of one ranking; empty where ranked is 0
  bool ranked_item = false;  ///< votes are rankings of a task: their ids are those of submissions
};

/// Pairs in the order of their ids, of visitors whose newest consent includes `train`, each with a vote, a rewrite or a
/// verdict; then the pairs of ranked items, in the order of items, of which at least one ranking puts one answer before
/// the other; then answers that stand in no pair and were rewritten. Call inside a REPEATABLE READ transaction, the
/// same that inserts the snapshot.
std::vector<EligiblePair> eligible_pairs(Transaction& t, const EligibleFilter& filter);

/// How many submissions of training phases and on known answers there are: what eligible_pairs never takes.
int64_t count_practice_submissions(Transaction& t);

}  // namespace afina::storage
