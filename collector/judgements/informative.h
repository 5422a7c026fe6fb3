// SPDX-License-Identifier: Apache-2.0
// Which two models to compare next: those whose vote would tell most about the ratings (quality/informative_pair.h).
// The counts are read from the database at most once in a few seconds.
#pragma once
#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#include "collector/pairing.h"
#include "quality/informative_pair.h"
#include "storage/database.h"

namespace afina::collector {

std::vector<std::string> upstream_names(const CollectorConfig& config);

/// Thread-safe. The database outlives it.
class InformativePairs {
 public:
  InformativePairs(storage::Database& database, std::vector<std::string> upstream_names)
      : database_(database), names_(std::move(upstream_names)) {}
  /// Indexes ascend; of several pairs as good, `random` draws. Throws StorageError where the counts cannot be read and
  /// none were before.
  std::pair<size_t, size_t> choose(const RandomSource& random);

 private:
  std::vector<quality::PairTally> tallies();

  storage::Database& database_;
  const std::vector<std::string> names_;
  std::mutex mutex_;
  std::vector<quality::PairTally> tallies_;
  std::chrono::steady_clock::time_point read_at_{};
  bool reading_ = false, known_ = false;
};

}  // namespace afina::collector
