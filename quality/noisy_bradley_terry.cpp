// SPDX-License-Identifier: Apache-2.0
#include "quality/noisy_bradley_terry.h"

#include <cmath>
#include <map>
#include <tuple>

#include "base/error.h"
#include "quality/minimise.h"
#include "quality/special_functions.h"

namespace afina::quality {
namespace {

struct Group {
  uint32_t left, right, annotator;
  bool sided;
  double left_votes, right_votes;
};

std::vector<Group> collapse(std::span<const Battle> battles, uint32_t models, uint32_t annotators) {
  std::map<std::tuple<uint32_t, uint32_t, uint32_t, bool>, std::pair<double, double>> counts;
  for (const auto& b : battles) {
    if (b.left >= models || b.right >= models || b.left == b.right || b.annotator >= annotators || b.count < 1) {
      throw DataError(cat("[quality.noisy_bradley_terry] a battle must be between two of ", models,
                          " models by one of ", annotators, " annotators, but got ", b.left, ", ", b.right, " by ",
                          b.annotator, ", count ", b.count, "."));
    }
    const double share = b.winner == Winner::left ? 1 : b.winner == Winner::right ? 0 : 0.5;
    auto& [left, right] = counts[{b.annotator, b.left, b.right, b.sided}];
    left += share * static_cast<double>(b.count);
    right += (1 - share) * static_cast<double>(b.count);
  }
  std::vector<Group> groups;
  for (const auto& [key, votes] : counts) {
    groups.push_back(
        {std::get<1>(key), std::get<2>(key), std::get<0>(key), std::get<3>(key), votes.first, votes.second});
  }
  return groups;
}

}  // namespace

double noisy_left_probability(double difference, double skill, double bias) {
  return sigmoid(skill) * sigmoid(difference) + sigmoid(-skill) * sigmoid(bias);
}

NoisyFit fit_noisy_bradley_terry(std::span<const Battle> battles, uint32_t models, uint32_t annotators,
                                 const NoisyOptions& o) {
  if (battles.empty()) throw DataError("[quality.noisy_bradley_terry] must have at least one battle, but got none.");
  if (!(o.strength_ridge > 0) || !(o.skill_ridge > 0) || !(o.bias_ridge > 0)) {
    throw UsageError("[quality.noisy_bradley_terry] must have ridges above 0, but has not.");
  }
  const auto groups = collapse(battles, models, annotators);
  const size_t skills = models, biases = models + annotators;
  const Objective objective = [&](const std::vector<double>& x, std::vector<double>& gradient) {
    double loss = 0;
    gradient.assign(x.size(), 0.0);
    for (size_t i = 0; i < x.size(); ++i) {
      const double ridge = i < skills ? o.strength_ridge : i < biases ? o.skill_ridge : o.bias_ridge;
      const double from = x[i] - (i >= skills && i < biases ? o.skill_start : 0.0);
      loss += ridge / 2 * from * from;
      gradient[i] = ridge * from;
    }
    for (const auto& g : groups) {
      const double f = sigmoid(x[skills + g.annotator]), judged = sigmoid(x[g.left] - x[g.right]),
                   blind = g.sided ? sigmoid(x[biases + g.annotator]) : 0.5;
      const double left = f * judged + (1 - f) * blind, right = f * (1 - judged) + (1 - f) * (1 - blind);
      if (g.left_votes > 0) loss -= g.left_votes * std::log(left);
      if (g.right_votes > 0) loss -= g.right_votes * std::log(right);
      const double by_left = -g.left_votes / left + g.right_votes / right;
      const double along_d = by_left * f * judged * (1 - judged);
      gradient[g.left] += along_d;
      gradient[g.right] -= along_d;
      gradient[skills + g.annotator] += by_left * f * (1 - f) * (judged - blind);
      if (g.sided) gradient[biases + g.annotator] += by_left * (1 - f) * blind * (1 - blind);
    }
    return loss;
  };
  std::vector<double> start(biases + annotators, 0.0);
  for (size_t w = 0; w < annotators; ++w)
    start[skills + w] = o.skill_start;
  const Minimum found = minimise(objective, std::move(start), o.max_iterations, o.tolerance);
  NoisyFit out;
  const auto at = [&](size_t i) { return found.at.begin() + static_cast<std::ptrdiff_t>(i); };
  out.strength.assign(at(0), at(skills));
  out.skill.assign(at(skills), at(biases));
  out.bias.assign(at(biases), found.at.end());
  double mean = 0;
  for (const double s : out.strength)
    mean += s / static_cast<double>(models);
  for (double& s : out.strength)
    s -= mean;
  out.loss = found.value;
  out.iterations = found.iterations;
  out.converged = found.converged;
  return out;
}

}  // namespace afina::quality
