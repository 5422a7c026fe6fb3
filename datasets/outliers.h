// SPDX-License-Identifier: Apache-2.0
// People without an account who vote against everybody else, model by model. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "storage/quality/eligible.h"

namespace afina::datasets {

/// allow: say how many there are; drop: leave their votes and rewrites out as well. A taste that few share looks the
/// same as malice, so nobody is left out unless that is asked for.
enum class OutlierPolicy { allow, drop };
std::string_view to_string(OutlierPolicy value);
bool from_string(std::string_view word, OutlierPolicy& out);

/// Tests each stranger's strict votes in the order they were cast with quality::OutlierMartingale: the chance of a vote
/// is the share of everybody else's votes on the same two models that chose the same one, with one pseudo-vote for
/// each. Votes on two models that nobody else judged say nothing. Returns {tested, flagged, judgements, left_out}.
Json apply_outliers(std::vector<storage::EligiblePair>& pairs, OutlierPolicy policy);

}  // namespace afina::datasets
