// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/informative.h"

#include <map>

#include "base/error.h"
#include "base/log.h"
#include "storage/judgements/pair_counts.h"

namespace afina::collector {
namespace {

constexpr std::chrono::seconds kKept{5};
constexpr int64_t kVotesRead = 10'000;
}  // namespace

std::vector<std::string> upstream_names(const CollectorConfig& config) {
  std::vector<std::string> names;
  for (const UpstreamConfig& upstream : config.upstreams)
    names.push_back(upstream.name);
  return names;
}

std::vector<quality::PairTally> InformativePairs::tallies() {
  {
    const std::lock_guard lock(mutex_);
    const bool fresh = known_ && std::chrono::steady_clock::now() - read_at_ < kKept;
    // One reader at a time; the others go on with what is known.
    if (fresh || (known_ && reading_)) return tallies_;
    reading_ = true;
  }
  std::vector<quality::PairTally> read;
  std::exception_ptr failure;
  try {
    std::map<std::string, uint32_t> index;
    for (uint32_t i = 0; i < names_.size(); ++i)
      index[names_[i]] = i;
    for (const auto& count :
         database_.read([](storage::Transaction& t) { return storage::recent_pair_counts(t, kVotesRead); })) {
      const auto first = index.find(count.first), second = index.find(count.second);
      if (first == index.end() || second == index.end()) continue;  // a model that is no longer served
      quality::PairTally tally{first->second, second->second, count.first_wins, count.second_wins, count.ties};
      if (tally.first > tally.second) {
        std::swap(tally.first, tally.second);
        std::swap(tally.first_wins, tally.second_wins);
      }
      read.push_back(tally);
    }
  } catch (const StorageError& error) {
    log_warning("collector", "pairing goes on with older counts: ", error.what());
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (failure && !known_) std::rethrow_exception(failure);
  if (!failure) {
    tallies_ = std::move(read);
    known_ = true;
  }
  read_at_ = std::chrono::steady_clock::now();
  return tallies_;
}

std::pair<size_t, size_t> InformativePairs::choose(const RandomSource& random) {
  if (names_.size() < 2) return {0, 0};
  const auto best = quality::most_informative_pairs(static_cast<uint32_t>(names_.size()), tallies());
  return best[draw_below(best.size(), random)];
}

}  // namespace afina::collector
