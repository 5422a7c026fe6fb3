// SPDX-License-Identifier: Apache-2.0
// How far each annotator's votes weigh in soft labels: Dawid–Skene over the pairs that two or more people judged, with
// the classes "A is better", "equal" and "B is better"; a pair that a reviewer settled is of that class for certain. A
// pure function of the votes a snapshot may use, so that the snapshot can be made again from the same votes.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/splits.h"
#include "storage/quality/eligible.h"
#include "storage/quality/reliability.h"

namespace afina::datasets {

/// none: r = 1 for everybody.
enum class ReliabilityModel { none, dawid_skene };
std::string_view to_string(ReliabilityModel value);
bool from_string(std::string_view word, ReliabilityModel& out);

/// In the order of annotators' ids; only people who share a pair with somebody, or of whom a pair was settled: all
/// others keep r = 1. Votes of annotators that the split holds out are not looked at, so that they cannot reach the
/// weights of training. Empty where there are none, or where all said the same.
std::vector<storage::AnnotatorReliability> vote_reliability(std::span<const storage::EligiblePair> pairs,
                                                            const SplitOptions& split = {});

}  // namespace afina::datasets
