// SPDX-License-Identifier: Apache-2.0
#include "quality/win_rate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "base/error.h"

namespace afina::quality {
namespace {

struct Cluster {
  double sum = 0.0;
  double count = 0.0;
};

double percentile(const std::vector<double>& sorted, double p) {
  const double at = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(at));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Interval cluster_bootstrap(std::span<const ClusteredScore> scores, double confidence, int resamples, uint64_t seed) {
  if (scores.empty()) throw DataError("[quality.win_rate] must have at least one judgement, but got none.");
  if (!(confidence > 0 && confidence < 1) || resamples < 100) {
    throw UsageError(cat("[quality.win_rate] must have a confidence within (0, 1) and at least 100 resamples, but got ",
                         confidence, " and ", resamples, "."));
  }
  std::map<std::string, Cluster> by_name;
  Cluster all;
  for (const auto& score : scores) {
    auto& cluster = by_name[score.cluster];
    cluster.sum += score.score;
    cluster.count += 1;
    all.sum += score.score;
    all.count += 1;
  }
  std::vector<Cluster> clusters;
  for (const auto& [name, cluster] : by_name)
    clusters.push_back(cluster);
  std::mt19937_64 random(seed);
  std::vector<double> means;
  means.reserve(static_cast<size_t>(resamples));
  for (int i = 0; i < resamples; ++i) {
    Cluster drawn;
    for (size_t j = 0; j < clusters.size(); ++j) {
      // Modulo keeps the draw the same with every standard library; its bias is below 1e-15 here.
      const auto& cluster = clusters[random() % clusters.size()];
      drawn.sum += cluster.sum;
      drawn.count += cluster.count;
    }
    means.push_back(drawn.sum / drawn.count);
  }
  std::sort(means.begin(), means.end());
  const double tail = (1 - confidence) / 2;
  return {all.sum / all.count, percentile(means, tail), percentile(means, 1 - tail),
          static_cast<int64_t>(scores.size()), static_cast<int64_t>(clusters.size())};
}

}  // namespace afina::quality
