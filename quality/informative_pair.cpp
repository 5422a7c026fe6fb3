// SPDX-License-Identifier: Apache-2.0
#include "quality/informative_pair.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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

int64_t votes_of(const PairTally& tally) {
  return tally.first_wins + tally.second_wins + tally.ties;
}

// With one more tie for each pair.
std::vector<Battle> battles_of(uint32_t models, std::span<const PairTally> tallies) {
  std::vector<Battle> out;
  const auto add = [&](const PairTally& tally, Winner winner, int64_t count) {
    if (count > 0) out.push_back({tally.first, tally.second, winner, 0, count});
  };
  for (const PairTally& tally : tallies) {
    const bool known = tally.first < models && tally.second < models && tally.first != tally.second;
    if (!known || tally.first_wins < 0 || tally.second_wins < 0 || tally.ties < 0) {
      throw DataError(cat("[quality.informative_pair] a tally must be of two of ", models,
                          " models and of 0 votes or more, but is of ", tally.first, " and ", tally.second, "."));
    }
    add(tally, Winner::left, tally.first_wins);
    add(tally, Winner::right, tally.second_wins);
    add(tally, Winner::tie, tally.ties + 1);
  }
  return out;
}

// Groups of models that comparisons connect: for each model its group's smallest index.
std::vector<uint32_t> groups_of(uint32_t models, std::span<const PairTally> tallies) {
  std::vector<uint32_t> group(models);
  std::iota(group.begin(), group.end(), 0U);
  for (const PairTally& tally : tallies) {
    if (votes_of(tally) == 0) continue;
    const uint32_t from = std::max(group[tally.first], group[tally.second]);
    const uint32_t to = std::min(group[tally.first], group[tally.second]);
    std::ranges::replace(group, from, to);
  }
  return group;
}

}  // namespace

SquareMatrix rating_information(uint32_t models, std::span<const PairTally> tallies) {
  std::vector<double> strength(models, 0.0);
  if (const auto battles = battles_of(models, tallies); !battles.empty())
    strength = fit_ratings(battles, models, {.position = false, .clustered = false}).strength;
  SquareMatrix out(models);
  for (double& value : out.values)
    value = 1.0 / models;
  for (const PairTally& tally : tallies) {
    const double p = sigmoid(strength[tally.first] - strength[tally.second]);
    const double weight = static_cast<double>(votes_of(tally)) * p * (1 - p);
    out.at(tally.first, tally.first) += weight;
    out.at(tally.second, tally.second) += weight;
    out.at(tally.first, tally.second) -= weight;
    out.at(tally.second, tally.first) -= weight;
  }
  return out;
}

std::vector<std::pair<uint32_t, uint32_t>> most_informative_pairs(uint32_t models, std::span<const PairTally> tallies) {
  AFINA_CHECK(models >= 2, "models ", models);
  const auto battles = battles_of(models, tallies);
  const std::vector<uint32_t> group = groups_of(models, tallies);
  const bool connected = std::ranges::all_of(group, [](uint32_t g) { return g == 0; });
  std::vector<double> strength;
  std::optional<SquareMatrix> variance;
  if (connected) {
    strength = fit_ratings(battles, models, {.position = false, .clustered = false}).strength;
    variance = inverse(rating_information(models, tallies));  // up to a common shift, which differences do not see
  }
  std::vector<std::pair<uint32_t, uint32_t>> best;
  double most = -1;
  for (uint32_t i = 0; i < models; ++i) {
    for (uint32_t j = i + 1; j < models; ++j) {
      double gain = group[i] == group[j] ? 0 : 1;
      if (variance) {
        const double p = sigmoid(strength[i] - strength[j]);
        gain = p * (1 - p) * (variance->at(i, i) + variance->at(j, j) - 2 * variance->at(i, j));
      }
      if (gain > most * (1 + 1e-9)) best.clear();
      if (best.empty()) most = gain;
      if (gain >= most * (1 - 1e-9)) best.emplace_back(i, j);
    }
  }
  return best;
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
