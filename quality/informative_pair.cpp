// SPDX-License-Identifier: Apache-2.0
#include "quality/informative_pair.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quality/special_functions.h"

namespace afina::quality {
namespace {

double information(const RatingFit& fit, uint32_t i, uint32_t j) {
  const double p = sigmoid(fit.strength[i] - fit.strength[j]);
  return p * (1 - p);
}

double variance_of_difference(const RatingFit& fit, uint32_t i, uint32_t j) {
  const auto& s = fit.covariance;
  return s.at(i, i) + s.at(j, j) - 2 * s.at(i, j);
}

}  // namespace

std::vector<PairGain> informative_pairs(const RatingFit& fit) {
  const auto models = static_cast<uint32_t>(fit.strength.size());
  std::vector<PairGain> out;
  for (uint32_t i = 0; i < models; ++i) {
    for (uint32_t j = i + 1; j < models; ++j) {
      double square = 0;
      for (uint32_t m = 0; m < models; ++m) {
        const double along = fit.covariance.at(m, i) - fit.covariance.at(m, j);
        square += along * along;
      }
      const double v = information(fit, i, j);
      out.push_back({i, j, v * square / (1 + v * variance_of_difference(fit, i, j))});
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const PairGain& a, const PairGain& b) { return a.gain > b.gain; });
  return out;
}

std::optional<int64_t> votes_to_separate(const RatingFit& fit, uint32_t first, uint32_t second, double confidence) {
  if (first >= fit.strength.size() || second >= fit.strength.size() || first == second) {
    throw UsageError(cat("[quality.informative_pair] must name two of ", fit.strength.size(), " models, but got ",
                         first, " and ", second, "."));
  }
  const double d = fit.strength[first] - fit.strength[second], z = normal_quantile_two_sided(confidence);
  const double variance = variance_of_difference(fit, first, second);
  if (variance <= (d / z) * (d / z)) return d == 0 ? std::nullopt : std::optional<int64_t>(0);
  const double needed = ((z / d) * (z / d) - 1 / variance) / information(fit, first, second);
  if (!(needed < 1e9)) return std::nullopt;
  return static_cast<int64_t>(std::ceil(needed));
}

}  // namespace afina::quality
