// SPDX-License-Identifier: Apache-2.0
#include "quality/krippendorff.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quality/draws.h"

namespace afina::quality {
namespace {

constexpr size_t kMaxValues = 1024;

// A pattern as classes with counts, and what one such unit adds to the coincidences.
struct Cell {
  size_t row, column;
  double coincidences;
};
struct Pattern {
  std::vector<Cell> cells;
  int64_t units = 0;
  int64_t values = 0;
};

std::vector<Cell> cells_of(const std::vector<double>& values, const std::vector<double>& classes) {
  std::vector<std::pair<size_t, double>> counts;
  for (const double value : values) {
    const auto at = static_cast<size_t>(std::lower_bound(classes.begin(), classes.end(), value) - classes.begin());
    if (counts.empty() || counts.back().first != at) counts.emplace_back(at, 0.0);
    counts.back().second += 1;
  }
  const double others = static_cast<double>(values.size()) - 1;
  std::vector<Cell> cells;
  for (const auto& [c, n] : counts) {
    for (const auto& [k, m] : counts) {
      const double pairs = c == k ? n * (n - 1) : n * m;
      if (pairs > 0) cells.push_back({c, k, pairs / others});
    }
  }
  return cells;
}

class Table {
 public:
  Table(const std::vector<double>& classes, Scale scale) : classes_(classes), scale_(scale) {
    const size_t k = classes.size();
    coincidences_.resize(k * k);
    totals_.resize(k);
    if (scale != Scale::ordinal) fill_distances();  // of the values alone: the same for every resample
  }
  void clear() { std::fill(coincidences_.begin(), coincidences_.end(), 0.0); }
  void add(const Pattern& pattern, double times) {
    for (const auto& cell : pattern.cells)
      coincidences_[cell.row * classes_.size() + cell.column] += times * cell.coincidences;
  }
  Alpha alpha() {
    const size_t k = classes_.size();
    double n = 0;
    for (size_t c = 0; c < k; ++c) {
      totals_[c] = 0;
      for (size_t g = 0; g < k; ++g)
        totals_[c] += coincidences_[c * k + g];
      n += totals_[c];
    }
    Alpha out;
    if (n < 2) return out;
    if (scale_ == Scale::ordinal) fill_distances();
    for (size_t c = 0; c < k; ++c) {
      for (size_t g = 0; g < k; ++g) {
        out.observed += coincidences_[c * k + g] * distances_[c * k + g] / n;
        out.expected += totals_[c] * totals_[g] * distances_[c * k + g] / (n * (n - 1));
      }
    }
    out.state = out.expected > 0 ? AlphaState::defined : AlphaState::unanimous;
    if (out.expected > 0) out.value = 1 - out.observed / out.expected;
    return out;
  }

 private:
  void fill_distances() {
    const size_t k = classes_.size();
    distances_.resize(k * k);
    for (size_t c = 0; c < k; ++c) {
      double between = 0;  // Σ n_g from c to here
      for (size_t g = c; g < k; ++g) {
        between += totals_[g];
        const double apart = distance(c, g, between);
        distances_[c * k + g] = distances_[g * k + c] = c == g ? 0 : apart * apart;
      }
    }
  }
  double distance(size_t c, size_t g, double between) const {
    switch (scale_) {
      case Scale::nominal:
        return 1;
      case Scale::ordinal:
        return between - (totals_[c] + totals_[g]) / 2;
      case Scale::interval:
        return classes_[g] - classes_[c];
      case Scale::ratio:
        break;
    }
    return (classes_[g] - classes_[c]) / (classes_[g] + classes_[c]);
  }
  const std::vector<double>& classes_;
  Scale scale_;
  std::vector<double> coincidences_, totals_, distances_;
};

std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> out(values.begin(), values.end());
  for (double& value : out) {
    if (!std::isfinite(value)) {
      throw DataError(cat("[quality.krippendorff] values must be finite, but got ", value, "."));
    }
    if (value == 0) value = 0;  // −0 and 0 are one value
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::string_view to_string(Scale scale) {
  switch (scale) {
    case Scale::nominal:
      return "nominal";
    case Scale::ordinal:
      return "ordinal";
    case Scale::interval:
      return "interval";
    case Scale::ratio:
      break;
  }
  return "ratio";
}

std::string_view to_string(AlphaState state) {
  switch (state) {
    case AlphaState::defined:
      return "defined";
    case AlphaState::unanimous:
      return "unanimous";
    case AlphaState::too_few:
      break;
  }
  return "too_few";
}

void AlphaTally::add(std::span<const double> values) {
  const std::vector<double> pattern = sorted(values);
  if (pattern.size() < 2) return;
  for (const double value : pattern)
    ++values_[value];
  ++patterns_[pattern];
  if (values_.size() > kMaxValues) {
    remove(values);
    throw DataError(cat("[quality.krippendorff] must have at most ", kMaxValues, " different values, but got more."),
                    "group them into classes");
  }
}

void AlphaTally::remove(std::span<const double> values) {
  const std::vector<double> pattern = sorted(values);
  if (pattern.size() < 2) return;
  const auto found = patterns_.find(pattern);
  if (found == patterns_.end()) {
    throw DataError("[quality.krippendorff] must take out a unit that was added, but it was not.");
  }
  if (--found->second == 0) patterns_.erase(found);
  for (const double value : pattern) {
    const auto at = values_.find(value);
    if (--at->second == 0) values_.erase(at);
  }
}

Alpha AlphaTally::alpha(Scale scale) const {
  return alpha(scale, {.resamples = 0, .confidence = 0.95, .seed = 0});
}

Alpha AlphaTally::alpha(Scale scale, const AlphaBootstrap& bootstrap) const {
  if (bootstrap.resamples != 0 &&
      (bootstrap.resamples < 100 || !(bootstrap.confidence > 0 && bootstrap.confidence < 1))) {
    throw UsageError(
        cat("[quality.krippendorff] must have at least 100 resamples and a confidence within (0, 1), but "
            "got ",
            bootstrap.resamples, " and ", bootstrap.confidence, "."));
  }
  std::vector<double> classes;
  for (const auto& [value, count] : values_)
    classes.push_back(value);
  if (scale == Scale::ratio && !classes.empty() && classes.front() < 0 && classes.back() > 0) {
    throw DataError(cat("[quality.krippendorff] a ratio scale must have values of one sign, but got ", classes.front(),
                        " and ", classes.back(), "."));
  }
  std::vector<Pattern> patterns;
  std::vector<int64_t> weights;
  int64_t units = 0, values = 0;
  for (const auto& [pattern, count] : patterns_) {
    patterns.push_back({cells_of(pattern, classes), count, static_cast<int64_t>(pattern.size())});
    weights.push_back(count);
    units += count;
    values += count * static_cast<int64_t>(pattern.size());
  }
  Table table(classes, scale);
  for (const auto& pattern : patterns)
    table.add(pattern, static_cast<double>(pattern.units));
  Alpha out = table.alpha();
  out.units = units;
  out.values = values;
  if (out.state != AlphaState::defined || bootstrap.resamples == 0) return out;

  Draws draws(bootstrap.seed);
  std::vector<int64_t> drawn;
  std::vector<double> alphas;
  for (int i = 0; i < bootstrap.resamples; ++i) {
    draws.multinomial(units, weights, drawn);
    table.clear();
    for (size_t p = 0; p < patterns.size(); ++p) {
      if (drawn[p] > 0) table.add(patterns[p], static_cast<double>(drawn[p]));
    }
    const Alpha one = table.alpha();
    if (one.state == AlphaState::defined) {
      alphas.push_back(one.value);
    } else {
      ++out.undefined_resamples;
    }
  }
  if (!alphas.empty()) out.interval = percentile_bounds(alphas, bootstrap.confidence);
  return out;
}

AlphaTally tally_units(std::span<const UnitValue> values) {
  uint32_t units = 0;
  for (const auto& value : values)
    units = std::max(units, value.unit + 1);
  std::vector<size_t> begin(static_cast<size_t>(units) + 1);
  for (const auto& value : values)
    ++begin[value.unit + 1];
  for (size_t u = 1; u < begin.size(); ++u)
    begin[u] += begin[u - 1];
  std::vector<double> grouped(values.size());
  std::vector<size_t> next(begin.begin(), begin.end() - 1);
  for (const auto& value : values)
    grouped[next[value.unit]++] = value.value;
  AlphaTally tally;
  for (size_t u = 0; u + 1 < begin.size(); ++u) {
    tally.add(std::span(grouped).subspan(begin[u], begin[u + 1] - begin[u]));
  }
  return tally;
}

}  // namespace afina::quality
