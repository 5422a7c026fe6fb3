// SPDX-License-Identifier: Apache-2.0
#include "quality/kappa.h"

#include <cmath>
#include <vector>

#include "base/error.h"

namespace afina::quality {
namespace {

double weight(int i, int j, int classes, KappaWeights weights) {
  if (weights == KappaWeights::none || classes < 2) return i == j ? 0 : 1;
  const double distance = std::abs(i - j) / static_cast<double>(classes - 1);
  return weights == KappaWeights::linear ? distance : distance * distance;
}

void check_counts(std::span<const int64_t> counts, int classes, const char* where) {
  if (classes < 1 || counts.empty() || counts.size() % static_cast<size_t>(classes) != 0) {
    throw DataError(cat("[quality.kappa] ", where, " must be a full table of ", classes, " columns, but got ",
                        counts.size(), " counts."));
  }
  for (const int64_t count : counts) {
    if (count < 0) throw DataError(cat("[quality.kappa] counts must be 0 or more, but got ", count, "."));
  }
}

}  // namespace

std::optional<double> cohen_kappa(std::span<const int64_t> table, int classes, KappaWeights weights) {
  check_counts(table, classes, "two raters' classes");
  const auto k = static_cast<size_t>(classes);
  if (table.size() != k * k) {
    throw DataError(cat("[quality.kappa] must have ", k * k, " counts, but got ", table.size(), "."));
  }
  std::vector<double> rows(k), columns(k);
  double n = 0;
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < k; ++j) {
      const auto count = static_cast<double>(table[i * k + j]);
      rows[i] += count;
      columns[j] += count;
      n += count;
    }
  }
  if (n == 0) throw DataError("[quality.kappa] must have at least one item that both rated, but got none.");
  double observed = 0, expected = 0;
  for (size_t i = 0; i < k; ++i) {
    for (size_t j = 0; j < k; ++j) {
      const double w = weight(static_cast<int>(i), static_cast<int>(j), classes, weights);
      observed += w * static_cast<double>(table[i * k + j]);
      expected += w * rows[i] * columns[j] / n;
    }
  }
  if (expected == 0) return std::nullopt;
  return 1 - observed / expected;
}

FleissKappa fleiss_kappa(std::span<const int64_t> counts, int classes) {
  check_counts(counts, classes, "items' classes");
  const auto k = static_cast<size_t>(classes);
  const size_t items = counts.size() / k;
  int64_t raters = 0;
  for (size_t j = 0; j < k; ++j)
    raters += counts[j];
  if (raters < 2) throw DataError(cat("[quality.kappa] must have two raters or more, but got ", raters, "."));
  std::vector<double> share(k);
  const auto n = static_cast<double>(raters);
  FleissKappa out;
  for (size_t i = 0; i < items; ++i) {
    double squares = 0;
    int64_t sum = 0;
    for (size_t j = 0; j < k; ++j) {
      const auto count = static_cast<double>(counts[i * k + j]);
      squares += count * count;
      sum += counts[i * k + j];
      share[j] += count / (n * static_cast<double>(items));
    }
    if (sum != raters) {
      throw DataError(cat("[quality.kappa] every item must have ", raters, " ratings, but item ", i, " has ", sum, "."),
                      "Krippendorff's alpha takes missing ratings");
    }
    out.observed += (squares - n) / (n * (n - 1) * static_cast<double>(items));
  }
  for (const double p : share)
    out.expected += p * p;
  if (out.expected < 1 - 1e-15) out.kappa = (out.observed - out.expected) / (1 - out.expected);
  return out;
}

}  // namespace afina::quality
