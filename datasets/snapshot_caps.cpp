// SPDX-License-Identifier: Apache-2.0
#include "datasets/snapshot_caps.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/error.h"
#include "datasets/snapshot_gates.h"
#include "quality/annotator_checks.h"
#include "quality/words.h"

namespace afina::datasets {
namespace {

using storage::EligiblePair;

/// In the order of a draw that later data does not change.
using Drawn = std::set<std::pair<uint64_t, std::string>>;

/// Calls back for every vote and rewrite with its id, annotator, visitor and whether that is a stranger.
template <typename Callback>
void for_each_act(const std::vector<EligiblePair>& pairs, Callback callback) {
  for (const auto& pair : pairs) {
    for (const auto& vote : pair.votes)
      callback(vote, storage::is_stranger(vote.annotator_name));
    for (const auto& rewrite : pair.rewrites)
      callback(rewrite, !pair.known_rewriters.contains(rewrite.annotator_id));
  }
}

struct Excess {
  std::set<std::string> acts;
  int64_t groups = 0;  ///< that had more than the cap
};

template <typename Key>
Excess above(const std::map<Key, Drawn>& groups, int64_t cap) {
  Excess out;
  for (const auto& [key, drawn] : groups) {
    if (std::cmp_less_equal(drawn.size(), cap)) continue;
    ++out.groups;
    for (auto it = std::next(drawn.begin(), cap); it != drawn.end(); ++it)
      out.acts.insert(it->second);
  }
  return out;
}

void leave_out(std::vector<EligiblePair>& pairs, const std::set<std::string>& acts) {
  const auto is_out = [&](const auto& act) { return acts.contains(act.id); };
  for (auto& pair : pairs) {
    std::erase_if(pair.votes, is_out);
    std::erase_if(pair.rewrites, is_out);
  }
}

}  // namespace

Json apply_annotator_cap(std::vector<EligiblePair>& pairs, int64_t wanted, uint64_t seed) {
  // Sets: a ranking is one judgement, however many pairs it makes.
  std::set<std::string> acts;
  std::map<std::string, Drawn> of_strangers;
  for_each_act(pairs, [&](const auto& act, bool stranger) {
    acts.insert(act.id);
    if (stranger) of_strangers[act.annotator_id].emplace(quality::text_hash(act.id, seed), act.id);
  });
  const int64_t cap = wanted == kAutomaticCap ? quality::annotator_cap(static_cast<int64_t>(acts.size())) : wanted;
  const Excess over = cap == 0 ? Excess() : above(of_strangers, cap);
  leave_out(pairs, over.acts);
  return {{"cap", cap}, {"judgements", acts.size()}, {"people_over", over.groups}, {"left_out", over.acts.size()}};
}

Json apply_network_cap(std::vector<EligiblePair>& pairs, double max_share, const Networks& networks, uint64_t seed) {
  if (!(max_share > 0 && max_share <= 1)) {
    throw UsageError(
        cat("[datasets.snapshot] must have a share of one network above 0 and up to 1, but got ", max_share, "."),
        "1 lets a network bring any number");
  }
  std::set<std::string> acts, unknown;
  std::map<int64_t, Drawn> by_network;
  for_each_act(pairs, [&](const auto& act, bool stranger) {
    acts.insert(act.id);
    if (!stranger) return;
    const auto found = networks.find(act.visitor_id);
    if (found == networks.end()) {
      unknown.insert(act.id);
    } else {
      by_network[found->second].emplace(quality::text_hash(act.id, seed), act.id);
    }
  });
  std::vector<int64_t> sizes;
  int64_t others = static_cast<int64_t>(acts.size());
  for (const auto& [network, drawn] : by_network) {
    sizes.push_back(static_cast<int64_t>(drawn.size()));
    others -= sizes.back();
  }
  const int64_t cap = max_share == 1 ? 0 : quality::network_cap(sizes, others, max_share);
  const Excess over = cap == 0 ? Excess() : above(by_network, cap);
  leave_out(pairs, over.acts);
  return {{"cap", cap},
          {"judgements", acts.size()},
          {"networks", by_network.size()},
          {"of_unknown_networks", unknown.size()},
          {"networks_over", over.groups},
          {"left_out", over.acts.size()}};
}

}  // namespace afina::datasets
