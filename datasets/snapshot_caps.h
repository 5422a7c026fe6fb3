// SPDX-License-Identifier: Apache-2.0
// How much of a snapshot strangers may bring: one person, and all the people of one network, since whoever clears their
// cookies counts as another person. Part of gate_pairs. Pure.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/quality/eligible.h"

namespace afina::datasets {

/// Which network a visitor came from, by the visitor's id (storage::visitor_networks); absent: not known.
using Networks = std::map<std::string, int64_t>;

/// Leaves out the votes and rewrites of each stranger above the cap: `wanted`, 0 for none, or kAutomaticCap. Which ones
/// stay is drawn by `seed` and their ids. Returns what was counted.
Json apply_annotator_cap(std::vector<storage::EligiblePair>& pairs, int64_t wanted, uint64_t seed);

/// The same for all strangers of one network together: each network keeps at most the share `max_share` of the
/// judgements that stay, but 100 may always stay (quality::network_cap). 1: no cap. Strangers whose network is not
/// known count as if each came from one of their own. Throws UsageError for a share outside (0, 1].
Json apply_network_cap(std::vector<storage::EligiblePair>& pairs, double max_share, const Networks& networks,
                       uint64_t seed);

}  // namespace afina::datasets
