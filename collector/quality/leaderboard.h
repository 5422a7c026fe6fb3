// SPDX-License-Identifier: Apache-2.0
// The leaderboard as a pure function of counted votes: strengths with errors clustered by person, the advantage of the
// left side, acceptability from "both bad", and nothing about groups of fewer than five people.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "quality/tie_models.h"
#include "storage/quality/rating_votes.h"

namespace afina::collector {

struct LeaderboardOptions {
  quality::TieModel model = quality::TieModel::half_wins;
  int64_t at_least = 5;  ///< people behind every model that is shown
};

/// {models:[{name, rating, low, high, rank, battles, wins, ties, acceptable:{share, low, high}}], position:{log_odds,
/// low, high}|null, model, nu, votes, annotators, suppressed, connected, to_separate:[{first, second, votes}]}.
/// Models that fewer than at_least people judged are left out together with their battles, again and again until all
/// that remain have enough; `suppressed` counts them. position is null where nothing is left.
Json leaderboard(const std::vector<storage::RatingVote>& votes, const LeaderboardOptions& options);

}  // namespace afina::collector
