// SPDX-License-Identifier: Apache-2.0
// Which two models to compare next: those whose vote would tell most about the Bradley–Terry ratings. The choice is a
// pure function of the counts; the counts are read from the database at most once in a few seconds.
#pragma once
#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#include "collector/pairing.h"
#include "storage/database.h"

namespace afina::collector {

/// Comparisons of two models by index, first < second. A tie counts as half a win of each.
struct PairTally {
  size_t first = 0, second = 0;
  double first_wins = 0, second_wins = 0;
};

/// The pair with the largest p(1 − p)·Var(θ_i − θ_j): to first order, the growth of the log-determinant of the ratings'
/// information by one vote on it. Where the comparisons do not connect all models no variance exists: then a pair that
/// joins two unconnected groups. Several as good: `random` draws. Indexes ascend. models >= 2.
std::pair<size_t, size_t> most_informative(size_t models, const std::vector<PairTally>& tallies,
                                           const RandomSource& random);

/// Bradley–Terry log-strengths with mean 0. Half a win is added on each side of every compared pair, so that a model
/// that never lost has a finite one. Exposed for tests.
std::vector<double> bradley_terry_strengths(size_t models, const std::vector<PairTally>& tallies);

/// Log-determinant of the ratings' information, of connected comparisons: what most_informative makes grow. For tests
/// and benches.
double log_information(size_t models, const std::vector<PairTally>& tallies);

std::vector<std::string> upstream_names(const CollectorConfig& config);

/// Thread-safe. The database outlives it.
class InformativePairs {
 public:
  InformativePairs(storage::Database& database, std::vector<std::string> upstream_names)
      : database_(database), names_(std::move(upstream_names)) {}
  /// Throws StorageError where the counts cannot be read and none were before.
  std::pair<size_t, size_t> choose(const RandomSource& random);

 private:
  std::vector<PairTally> tallies();

  storage::Database& database_;
  const std::vector<std::string> names_;
  std::mutex mutex_;
  std::vector<PairTally> tallies_;
  std::chrono::steady_clock::time_point read_at_{};
  bool reading_ = false, known_ = false;
};

}  // namespace afina::collector
