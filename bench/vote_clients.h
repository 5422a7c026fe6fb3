// SPDX-License-Identifier: Apache-2.0
// Load on the path of votes: clients that vote as fast as they can, or at a given rate, and what latency they saw.
#pragma once
#include <functional>
#include <string>

namespace afina::storage {
class Database;
}

namespace afina::bench {

struct Act {
  std::string exposure, visitor, session_token;
  int grade = 0;
};

struct Load {
  double per_second = 0, p50_ms = 0, p99_ms = 0, worst_ms = 0;
};

/// act(client, i) for each i below count, by `clients` threads. rate 0: each goes on when its last act is done. Else
/// acts are due at that many a second, and latency counts from when an act was due, whether a client was free or not.
/// Rethrows what an act throws.
Load run_load(int clients, int count, double rate, const std::function<void(int client, int i)>& act);

/// Votes over HTTP before those that are counted.
inline constexpr int kWarmUp = 1024;

/// The same over HTTP, for acts below kWarmUp + count: a collector in this process on loopback, each client a kept
/// connection of its own, all of them on one thread.
Load run_http_load(storage::Database& database, int clients, int count, double rate,
                   const std::function<Act(int i)>& act_of);

}  // namespace afina::bench
