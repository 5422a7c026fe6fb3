// SPDX-License-Identifier: Apache-2.0
// An interval, and percentiles of a bootstrap.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace afina::quality {

struct Bounds {
  double low = 0.0, high = 0.0;
};

/// The middle `confidence` of the values by linear interpolation (numpy's default); sorts them. At least one value.
inline Bounds percentile_bounds(std::vector<double>& values, double confidence) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double p) {
    const double where = p * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(std::floor(where));
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (where - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {at((1 - confidence) / 2), at((1 + confidence) / 2)};
}

}  // namespace afina::quality
