// SPDX-License-Identifier: Apache-2.0
// A mean with an interval that respects clusters: votes on one prompt (or by one person) are not independent.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace afina::quality {

/// One judgement: 1 = won, 0 = lost, ½ = tie, or any value between for graded votes.
struct ClusteredScore {
  std::string cluster;
  double score = 0.0;
};

struct Interval {
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
  int64_t observations = 0;
  int64_t clusters = 0;
};

/// Percentile bootstrap over clusters (Efron and Tibshirani 1993, §13.3): whole clusters are drawn with replacement.
///   confidence in (0, 1), 0.95 is usual; resamples >= 100. The same seed gives the same interval.
/// One cluster gives low = high = mean: no interval can be had from it. Throws DataError without scores, UsageError for
/// settings out of range. Pure; thread-safe.
Interval cluster_bootstrap(std::span<const ClusteredScore> scores, double confidence, int resamples, uint64_t seed);

}  // namespace afina::quality
