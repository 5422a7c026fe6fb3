// SPDX-License-Identifier: Apache-2.0
#include "quality/acceptability.h"

#include <cmath>

#include "base/error.h"
#include "quality/special_functions.h"

namespace afina::quality {

std::vector<Acceptability> fit_acceptability(std::span<const AcceptabilityVote> votes, uint32_t models) {
  std::vector<Acceptability> out(models);
  for (const auto& v : votes) {
    if (v.first >= models || v.second >= models || v.first == v.second || v.count < 1) {
      throw DataError(cat("[quality.acceptability] a verdict must be on two of ", models, " models, but got ", v.first,
                          " and ", v.second, ", count ", v.count, "."));
    }
    out[v.first].votes += v.count;
    out[v.second].votes += v.count;
  }
  std::vector<double> good(models);
  for (int iteration = 0; iteration < 10'000; ++iteration) {
    good.assign(models, 0.0);
    for (const auto& v : votes) {
      const auto count = static_cast<double>(v.count);
      const double a = out[v.first].share, b = out[v.second].share, any = 1 - (1 - a) * (1 - b);
      const bool graded = v.verdict == PairVerdict::graded, both = v.verdict == PairVerdict::both_good;
      good[v.first] += count * (graded ? a / any : both ? 1.0 : 0.0);
      good[v.second] += count * (graded ? b / any : both ? 1.0 : 0.0);
    }
    double moved = 0;
    for (uint32_t m = 0; m < models; ++m) {
      const double share = (good[m] + 1) / (static_cast<double>(out[m].votes) + 2);
      moved = std::max(moved, std::fabs(share - out[m].share));
      out[m].share = share;
    }
    if (moved < 1e-12) break;
  }
  for (uint32_t m = 0; m < models; ++m) {
    const double a = good[m] + 1, b = static_cast<double>(out[m].votes) - good[m] + 1;
    out[m].logit = std::log(out[m].share / (1 - out[m].share));
    out[m].interval = {beta_quantile(a, b, 0.025), beta_quantile(a, b, 0.975)};
  }
  return out;
}

}  // namespace afina::quality
