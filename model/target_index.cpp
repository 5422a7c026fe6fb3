// SPDX-License-Identifier: Apache-2.0
#include "model/target_index.h"

#include <algorithm>
#include <numeric>

namespace afina::model {

TargetIndex index_targets(std::span<const datasets::Target> targets) {
  TargetIndex out;
  out.target.resize(targets.size());
  std::iota(out.target.begin(), out.target.end(), 0);
  std::stable_sort(out.target.begin(), out.target.end(), [&](int a, int b) {
    return targets[static_cast<size_t>(a)].row < targets[static_cast<size_t>(b)].row;
  });
  out.token.reserve(targets.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    const datasets::Target& target = targets[static_cast<size_t>(out.target[i])];
    out.token.push_back(target.token);
    if (!out.row.empty() && out.row.back() == target.row) continue;
    out.row.push_back(target.row);
    out.begin.push_back(static_cast<int>(i));
  }
  out.begin.push_back(static_cast<int>(targets.size()));
  return out;
}

}  // namespace afina::model
