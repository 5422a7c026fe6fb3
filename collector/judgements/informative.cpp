// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/informative.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/log.h"
#include "storage/judgements/pair_counts.h"

namespace afina::collector {
namespace {

constexpr std::chrono::seconds kKept{5};
constexpr int64_t kVotesRead = 10'000;
constexpr int kMaxIterations = 500;
constexpr double kStill = 1e-10;

using Matrix = std::vector<std::vector<double>>;

/// By Gauss and Jordan with pivots; of a positive definite matrix.
Matrix inverse(Matrix m, double* log_determinant = nullptr) {
  const size_t n = m.size();
  Matrix out(n, std::vector<double>(n, 0));
  for (size_t i = 0; i < n; ++i)
    out[i][i] = 1;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row) {
      if (std::abs(m[row][column]) > std::abs(m[pivot][column])) pivot = row;
    }
    std::swap(m[column], m[pivot]);
    std::swap(out[column], out[pivot]);
    if (log_determinant != nullptr) *log_determinant += std::log(std::abs(m[column][column]));
    const double scale = 1 / m[column][column];
    for (size_t k = 0; k < n; ++k) {
      m[column][k] *= scale;
      out[column][k] *= scale;
    }
    for (size_t row = 0; row < n; ++row) {
      const double factor = m[row][column];
      if (row == column || factor == 0) continue;
      for (size_t k = 0; k < n; ++k) {
        m[row][k] -= factor * m[column][k];
        out[row][k] -= factor * out[column][k];
      }
    }
  }
  return out;
}

/// Groups of models that comparisons connect: for each model its group's smallest index.
std::vector<size_t> groups_of(size_t models, const std::vector<PairTally>& tallies) {
  std::vector<size_t> group(models);
  std::iota(group.begin(), group.end(), 0);
  for (const PairTally& tally : tallies) {
    if (tally.first_wins + tally.second_wins <= 0) continue;
    const size_t from = std::max(group[tally.first], group[tally.second]);
    const size_t to = std::min(group[tally.first], group[tally.second]);
    std::replace(group.begin(), group.end(), from, to);
  }
  return group;
}

double chance(const std::vector<double>& strengths, size_t i, size_t j) {
  return 1 / (1 + std::exp(strengths[j] - strengths[i]));
}

Matrix information_of(size_t models, const std::vector<PairTally>& tallies, const std::vector<double>& strengths) {
  // The information has rank models − 1; a constant added everywhere fills the direction that no difference sees.
  Matrix information(models, std::vector<double>(models, 1 / static_cast<double>(models)));
  for (const PairTally& tally : tallies) {
    const double p = chance(strengths, tally.first, tally.second);
    const double weight = (tally.first_wins + tally.second_wins) * p * (1 - p);
    information[tally.first][tally.first] += weight;
    information[tally.second][tally.second] += weight;
    information[tally.first][tally.second] -= weight;
    information[tally.second][tally.first] -= weight;
  }
  return information;
}

}  // namespace

std::vector<double> bradley_terry_strengths(size_t models, const std::vector<PairTally>& tallies) {
  // Zermelo's iteration: w_i = wins_i / Σ n_ij / (w_i + w_j).
  std::vector<double> strength(models, 1), wins(models, 0);
  for (const PairTally& tally : tallies) {
    wins[tally.first] += tally.first_wins + 0.5;
    wins[tally.second] += tally.second_wins + 0.5;
  }
  for (int iteration = 0; iteration < kMaxIterations; ++iteration) {
    std::vector<double> sum(models, 0);
    for (const PairTally& tally : tallies) {
      const double n = tally.first_wins + tally.second_wins + 1;
      const double share = n / (strength[tally.first] + strength[tally.second]);
      sum[tally.first] += share;
      sum[tally.second] += share;
    }
    double moved = 0, log_mean = 0;
    std::vector<double> next(models, 1);
    for (size_t i = 0; i < models; ++i) {
      if (sum[i] > 0) next[i] = wins[i] / sum[i];
      log_mean += std::log(next[i]) / static_cast<double>(models);
    }
    for (size_t i = 0; i < models; ++i) {
      next[i] /= std::exp(log_mean);
      moved = std::max(moved, std::abs(std::log(next[i] / strength[i])));
    }
    strength = std::move(next);
    if (moved < kStill) break;
  }
  for (double& value : strength)
    value = std::log(value);
  return strength;
}

std::pair<size_t, size_t> most_informative(size_t models, const std::vector<PairTally>& tallies,
                                           const RandomSource& random) {
  AFINA_CHECK(models >= 2, "models ", models);
  const std::vector<size_t> group = groups_of(models, tallies);
  const bool connected = std::all_of(group.begin(), group.end(), [](size_t g) { return g == 0; });
  std::vector<double> strengths;
  Matrix variance;
  if (connected) {
    strengths = bradley_terry_strengths(models, tallies);
    // The covariance up to a common shift.
    variance = inverse(information_of(models, tallies, strengths));
  }
  std::vector<std::pair<size_t, size_t>> best;
  double most = -1;
  for (size_t i = 0; i < models; ++i) {
    for (size_t j = i + 1; j < models; ++j) {
      double gain = group[i] == group[j] ? 0 : 1;
      if (connected) {
        const double p = chance(strengths, i, j);
        gain = p * (1 - p) * (variance[i][i] + variance[j][j] - 2 * variance[i][j]);
      }
      if (gain > most * (1 + 1e-9)) best.clear();
      if (best.empty()) most = gain;
      if (gain >= most * (1 - 1e-9)) best.emplace_back(i, j);
    }
  }
  return best[draw_below(best.size(), random)];
}

double log_information(size_t models, const std::vector<PairTally>& tallies) {
  double log_determinant = 0;
  inverse(information_of(models, tallies, bradley_terry_strengths(models, tallies)), &log_determinant);
  return log_determinant;
}

std::vector<std::string> upstream_names(const CollectorConfig& config) {
  std::vector<std::string> names;
  for (const UpstreamConfig& upstream : config.upstreams)
    names.push_back(upstream.name);
  return names;
}

std::vector<PairTally> InformativePairs::tallies() {
  {
    const std::lock_guard lock(mutex_);
    const bool fresh = known_ && std::chrono::steady_clock::now() - read_at_ < kKept;
    // One reader at a time; the others go on with what is known.
    if (fresh || (known_ && reading_)) return tallies_;
    reading_ = true;
  }
  std::vector<PairTally> read;
  std::exception_ptr failure;
  try {
    std::map<std::string, size_t> index;
    for (size_t i = 0; i < names_.size(); ++i)
      index[names_[i]] = i;
    for (const auto& count :
         database_.read([](storage::Transaction& t) { return storage::recent_pair_counts(t, kVotesRead); })) {
      const auto first = index.find(count.first), second = index.find(count.second);
      if (first == index.end() || second == index.end()) continue;  // a model that is no longer served
      const double half = static_cast<double>(count.ties) / 2;
      PairTally tally{first->second, second->second, static_cast<double>(count.first_wins) + half,
                      static_cast<double>(count.second_wins) + half};
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
  return most_informative(names_.size(), tallies(), random);
}

}  // namespace afina::collector
