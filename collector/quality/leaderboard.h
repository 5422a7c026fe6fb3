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

/// Votes from which one person's share of judged votes says something.
inline constexpr int64_t kEnoughVotes = 20;

struct LeaderboardOptions {
  quality::TieModel model = quality::TieModel::half_wins;
  int64_t at_least = 5;  ///< people behind every model that is shown
};

/// {models:[{name, rating, low, high, rank, battles, wins, ties, acceptable:{share, low, high}}], position:{log_odds,
/// low, high}|null, layouts, model, nu, votes, annotators, suppressed, connected, to_separate:[{first, second, votes}],
/// noisy:{models:[{name, rating}], position:{log_odds, left_share}, skill:{annotators, low, median, high}|null}|null}.
/// position: of the votes whose two answers stood side by side; null where there are none. layouts: first_shares() of
/// layouts.h, of the models that are shown.
/// noisy: Bradley–Terry with annotators who judge only a share of the time and else pick a side; position is that of a
/// vote that was not judged (the votes' mean); skill the share judged, over people with kEnoughVotes or more, where at
/// least at_least people have so many: quartiles, never anybody's own.
/// Models that fewer than at_least people judged are left out together with their battles, again and again until all
/// that remain have enough; `suppressed` counts them. position is null where nothing is left.
Json leaderboard(const std::vector<storage::RatingVote>& votes, const LeaderboardOptions& options);

}  // namespace afina::collector
