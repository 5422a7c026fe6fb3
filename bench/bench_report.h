// SPDX-License-Identifier: Apache-2.0
// What every benchmark prints beside its figures: machine, threads, load, and medians with their spread.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace afina::bench {

struct Spread {
  double median = 0, low = 0, high = 0;  ///< low and high: least and greatest
};
/// Throws UsageError for no values.
Spread spread(std::vector<double> values);

/// "AMD EPYC …, 2 threads, load 0.12, 2026-11-21T…Z".
std::string machine_line(int threads);
/// Peak resident memory of this process so far, bytes (VmHWM).
int64_t peak_rss_bytes();
/// Share of a core that other processes use over `seconds`: figures taken beside a busy neighbour are said to be so.
double other_load(double seconds);

}  // namespace afina::bench
