// SPDX-License-Identifier: Apache-2.0
// Clusters of texts that are nearly the same: MinHash of three-word shingles (Broder 1997), banded for candidates, each
// candidate checked by its exact Jaccard index. O(words · hashes) and memory for the signatures.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace afina::quality {

/// Indexes of texts in clusters of two or more, each ascending, in the order of their first member. threshold: Jaccard
/// index from 0.5 to 1; at 0.9 a pair is missed with a chance of about 1 %. Texts of no word are never duplicates.
/// Throws UsageError.
std::vector<std::vector<uint32_t>> near_duplicate_clusters(std::span<const std::string> texts, double threshold = 0.9);

}  // namespace afina::quality
