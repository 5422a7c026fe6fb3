// SPDX-License-Identifier: Apache-2.0
// How often each two upstreams were compared, and who won: what the choice of the next pair needs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace afina::storage {

class Transaction;

struct PairCount {
  std::string first, second;  ///< upstream names, first < second
  int64_t first_wins = 0, second_wins = 0, ties = 0;
};

/// Of the newest `votes` votes: standing, blind, without a leak, of people who did not withdraw. Bounded, however large
/// the table is. Two answers of one upstream are left out.
std::vector<PairCount> recent_pair_counts(Transaction& t, int64_t votes);

}  // namespace afina::storage
