// SPDX-License-Identifier: Apache-2.0
#include "gui/view_model/series.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace afina::gui {

Series smooth(const Series& series, double weight) {
  if (weight <= 0) return series;
  Series out;
  out.steps = series.steps;
  out.values.reserve(series.values.size());
  double sum = 0, correction = 0;
  for (const double value : series.values) {
    if (!std::isfinite(value)) {
      out.values.push_back(value);
      continue;
    }
    sum = weight * sum + (1 - weight) * value;
    correction = weight * correction + (1 - weight);  // = 1 − w^t, without a pow a point
    out.values.push_back(sum / correction);
  }
  return out;
}

namespace {

// Indices of the points of one column that must stay: first, smallest, largest, last.
void keep_column(const Series& series, size_t first, size_t last, Series& out) {
  size_t low = first, high = first;
  for (size_t i = first; i <= last; ++i) {
    if (!std::isfinite(series.values[i])) continue;
    if (!std::isfinite(series.values[low]) || series.values[i] < series.values[low]) low = i;
    if (!std::isfinite(series.values[high]) || series.values[i] > series.values[high]) high = i;
  }
  std::array<size_t, 4> kept = {first, low, high, last};
  std::sort(kept.begin(), kept.end());
  for (size_t i = 0; i < kept.size(); ++i) {
    if (i > 0 && kept[i] == kept[i - 1]) continue;
    out.steps.push_back(series.steps[kept[i]]);
    out.values.push_back(series.values[kept[i]]);
  }
}

}  // namespace

Series decimate(const Series& series, double from, double to, size_t columns) {
  const auto& steps = series.steps;
  auto begin = static_cast<size_t>(std::lower_bound(steps.begin(), steps.end(), from) - steps.begin());
  auto end = static_cast<size_t>(std::upper_bound(steps.begin(), steps.end(), to) - steps.begin());
  if (begin > 0) --begin;
  if (end < steps.size()) ++end;
  Series out;
  if (begin >= end) return out;
  columns = std::max<size_t>(columns, 1);
  if (end - begin <= 4 * columns || !(to > from)) {
    out.steps.assign(steps.begin() + static_cast<ptrdiff_t>(begin), steps.begin() + static_cast<ptrdiff_t>(end));
    out.values.assign(series.values.begin() + static_cast<ptrdiff_t>(begin),
                      series.values.begin() + static_cast<ptrdiff_t>(end));
    return out;
  }
  const double per_step = static_cast<double>(columns) / (to - from);
  // A cast instead of floor(): inside the view nothing is negative, and the neighbours outside get columns of their
  // own.
  const auto column_of = [&](size_t i) -> int64_t {
    if (steps[i] < from) return -1;
    return steps[i] > to ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>((steps[i] - from) * per_step);
  };
  for (size_t first = begin; first < end;) {
    const int64_t column = column_of(first);
    size_t last = first;
    while (last + 1 < end && column_of(last + 1) == column)
      ++last;
    keep_column(series, first, last, out);
    first = last + 1;
  }
  return out;
}

std::optional<std::pair<double, double>> value_range(const Series& series) {
  std::optional<std::pair<double, double>> range;
  for (const double value : series.values) {
    if (!std::isfinite(value)) continue;
    if (!range) range = {value, value};
    range->first = std::min(range->first, value);
    range->second = std::max(range->second, value);
  }
  if (!range) return range;
  const double height = range->second - range->first;
  // A flat curve would give an empty axis.
  const double margin = height > 0 ? 0.05 * height : (range->first == 0 ? 1.0 : 0.1 * std::abs(range->first));
  range->first -= margin;
  range->second += margin;
  return range;
}

std::pair<double, double> step_range(const Series& a, const Series& b) {
  std::optional<std::pair<double, double>> range;
  for (const Series* series : {&a, &b}) {
    if (series->steps.empty()) continue;
    if (!range) range = {series->steps.front(), series->steps.back()};
    range->first = std::min(range->first, series->steps.front());
    range->second = std::max(range->second, series->steps.back());
  }
  return range.value_or(std::pair<double, double>{0.0, 1.0});
}

}  // namespace afina::gui
