// SPDX-License-Identifier: Apache-2.0
// Splits numbered units of work over ATen's own OpenMP threads, so that the process has one pool of compute threads.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>

namespace afina::model {

/// body(begin, end) over contiguous parts of [0, units), one a thread; sequential inside another parallel region or
/// where fewer than min_units would fall to a thread. The split depends on units and the thread count only. Exceptions
/// of the body are passed on.
void parallel(int64_t units, const std::function<void(int64_t, int64_t)>& body, int64_t min_units = 1);

/// Units that are worth a thread of their own, given the multiply-adds (or comparable steps) of one.
inline int64_t worth_a_thread(int64_t steps_per_unit) {
  return std::max<int64_t>(1, (1 << 17) / std::max<int64_t>(1, steps_per_unit));
}

}  // namespace afina::model
