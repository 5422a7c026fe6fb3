// SPDX-License-Identifier: Apache-2.0
// A collector of its own process under mixed load for a while, watched from outside: memory, descriptors, threads,
// connections, errors. What grows after the warm-up is a leak. Everything on loopback.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace afina::bench {

/// What may grow between the second quarter of the time and the last one, by their medians, whatever the time is: an
/// hour allows no more than a minute.
inline constexpr double kMostGrowthMib = 12;
inline constexpr double kMostGrowthDescriptors = 24;
inline constexpr double kMostGrowthThreads = 8;
inline constexpr double kMostGrowthConnections = 6;
/// And what may be open more than before the load once it has ended.
inline constexpr int kMostLeftDescriptors = 16;

struct SoakOptions {
  std::string collector;  ///< the program afina-collector
  std::chrono::seconds time{60};
  std::chrono::milliseconds sample_every{1000};
  std::chrono::milliseconds between_acts{20};  ///< how long each client rests after an act
  /// The control: clients that are never closed and upstreams that never end their answers.
  bool leak = false;
  bool print = true;  ///< a line for each tenth of the time
};

struct SoakSample {
  double seconds = 0, resident_mib = 0;
  int descriptors = 0, threads = 0, connections = 0;
};

struct SoakReport {
  std::vector<SoakSample> samples;
  std::map<std::string, int64_t> done;    ///< acts by name
  std::map<std::string, int64_t> errors;  ///< "chat: 500" and the like; 503 is an answer, not an error
  int64_t busy = 0;                       ///< answers of 503
  int64_t deliveries = 0;                 ///< of webhooks that arrived
  int descriptors_before = 0, descriptors_after = 0;
  std::vector<std::string> faults;  ///< why it failed; empty: it did not
};

/// Blocks for the time and a few seconds. Needs PostgreSQL's programs; uses a private cluster in memory, which goes
/// with this process. Throws StorageError where the collector does not start.
SoakReport run_soak(const SoakOptions& options);

/// What in these samples grows beyond the limits above. Fewer than eight samples are a fault too.
std::vector<std::string> find_growth(const std::vector<SoakSample>& samples);

}  // namespace afina::bench
