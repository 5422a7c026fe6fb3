// SPDX-License-Identifier: Apache-2.0
// Blind votes on two models' answers, counted by person and shown side: what leaderboards are made of. Only votes that
// stand, were cast before the names were shown, and where no answer gave its maker away.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace afina::storage {

class Transaction;

struct RatingFilter {
  std::string workspace_id;
  std::string locale;   ///< of the conversations; empty: all
  std::string country;  ///< ISO 3166-1 alpha-2 that people gave themselves; empty: all
  std::string aspect;   ///< "" for the grade; else who was rated higher in this respect in the same act
  /// "": people's votes, given on the page or with an account; else all votes of that source: web, api, demo, import.
  std::string source;
};

/// `count` votes of one annotator that say the same.
struct RatingVote {
  std::string annotator_id;
  std::string left, right;  ///< models, as shown
  int winner = 0;           ///< 1 left, −1 right, 0 neither
  bool both_bad = false;    ///< then winner is 0, and it is no tie
  int64_t count = 0;
  bool sided = true;   ///< the person saw both answers side by side
  std::string layout;  ///< side_by_side or stacked, as their page told; empty: unknown
};
/// Grades and both good (a tie), both bad apart; not "cannot judge", or a model against itself.
std::vector<RatingVote> rating_votes(Transaction& t, const RatingFilter& filter);

/// Changes when a vote or a withdrawal is stored: for caches. Commits may be seen out of the ids' order, so a cache
/// must also age.
std::string votes_stamp(Transaction& t);

}  // namespace afina::storage
