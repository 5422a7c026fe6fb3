// SPDX-License-Identifier: Apache-2.0
#include "collector/quality/layouts.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "quality/special_functions.h"

namespace afina::collector {
namespace {

struct Tally {
  int64_t first = 0, decided = 0;
};
using People = std::map<std::string, Tally>;

Json share_json(const std::string& layout, const People& people) {
  Tally all;
  for (const auto& [who, tally] : people) {
    all.first += tally.first;
    all.decided += tally.decided;
  }
  const auto decided = static_cast<double>(all.decided), n = static_cast<double>(people.size());
  const double share = static_cast<double>(all.first) / decided;
  double squares = 0;
  for (const auto& [who, tally] : people) {
    const double rest = static_cast<double>(tally.first) - share * static_cast<double>(tally.decided);
    squares += rest * rest;
  }
  const double error = std::sqrt(squares * n / (n - 1)) / decided;
  const double half = quality::normal_quantile_two_sided(0.95) * error;
  return {{"layout", layout},
          {"votes", all.decided},
          {"annotators", people.size()},
          {"first_share", share},
          {"low", std::max(0.0, share - half)},
          {"high", std::min(1.0, share + half)}};
}

}  // namespace

Json first_shares(const std::vector<storage::RatingVote>& votes, const std::set<std::string>& models,
                  int64_t at_least) {
  std::map<std::string, People> layouts;
  for (const auto& vote : votes) {
    if (!vote.sided || vote.layout.empty() || vote.winner == 0) continue;
    if (!models.contains(vote.left) || !models.contains(vote.right)) continue;
    Tally& tally = layouts[vote.layout][vote.annotator_id];
    tally.decided += vote.count;
    if (vote.winner > 0) tally.first += vote.count;
  }
  Json out = Json::array();
  for (const auto& [layout, people] : layouts) {
    if (std::cmp_greater_equal(people.size(), std::max<int64_t>(2, at_least)))
      out.push_back(share_json(layout, people));
  }
  return out;
}

}  // namespace afina::collector
