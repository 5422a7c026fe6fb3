// SPDX-License-Identifier: Apache-2.0
// Curves made ready to draw: smoothing and reduction to what a screen can show. Pure functions over a Series.
#pragma once
#include <cstddef>
#include <optional>
#include <utility>

#include "gui/view_model/data.h"

namespace afina::gui {

/// Exponential moving average with start-up correction, as TensorBoard draws it: s_t = w·s_{t−1} + (1−w)·x_t, shown as
/// s_t / (1 − w^t). weight in [0, 1); 0 returns the values. Values that are not finite pass through and do not enter s.
Series smooth(const Series& series, double weight);

/// Points of `series` within [from, to] and one on each side, at most 4 a column: first, smallest, largest, last, in
/// order of steps. So a peak of one step is never lost. Where there are fewer points than that, all of them.
Series decimate(const Series& series, double from, double to, size_t columns);

/// Smallest and largest finite value, widened by 5 % (a constant curve by 1, or 10 % of its height); none where nothing
/// is finite.
std::optional<std::pair<double, double>> value_range(const Series& series);

/// First and last step over both curves; {0, 1} where both are empty.
std::pair<double, double> step_range(const Series& a, const Series& b);

}  // namespace afina::gui
