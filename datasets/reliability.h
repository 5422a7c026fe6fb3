// SPDX-License-Identifier: Apache-2.0
// How far each annotator's votes weigh in soft labels: Dawid–Skene over the pairs that two or more people judged, with
// the classes "A is better", "equal" and "B is better". A pure function of the votes a snapshot may use, so that the
// snapshot can be made again from the same votes.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/quality/reliability.h"
#include "storage/snapshots.h"

namespace afina::datasets {

/// none: r = 1 for everybody.
enum class ReliabilityModel { none, dawid_skene };
std::string_view to_string(ReliabilityModel value);
bool from_string(std::string_view word, ReliabilityModel& out);

/// In the order of annotators' ids; only people who share a pair with somebody: all others keep r = 1. Empty where
/// there are none, or where all said the same.
std::vector<storage::AnnotatorReliability> vote_reliability(std::span<const storage::EligiblePair> pairs);

}  // namespace afina::datasets
