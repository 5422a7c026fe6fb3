// SPDX-License-Identifier: Apache-2.0
// How often the answer that was shown first was preferred, by how the two stood: beside each other, or one below the
// other as on a phone.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/quality/rating_votes.h"

namespace afina::collector {

/// [{layout, votes, annotators, first_share, low, high}] of votes on two of `models` that preferred one answer: votes
/// those, first_share how many of them preferred the left or upper one, with its 95 % interval, whose error is
/// clustered by person. A layout that fewer than at_least people (never under two) voted in is left out; so are votes
/// whose page told no layout.
Json first_shares(const std::vector<storage::RatingVote>& votes, const std::set<std::string>& models, int64_t at_least);

}  // namespace afina::collector
