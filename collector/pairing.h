// SPDX-License-Identifier: Apache-2.0
// Which upstreams answer a turn, and whether A stands on the left. Pure but for the random source, which tests replace.
// Position is drawn apart from the models, so that a position effect can be told from a model's.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "collector/config.h"

namespace afina::collector {

/// Uniform 32-bit numbers. Thread-safe where it is random_u32.
using RandomSource = std::function<uint32_t()>;
/// Two indexes of upstreams, ascending; see judgements/informative.h.
using InformativeChoice = std::function<std::pair<size_t, size_t>(const RandomSource&)>;
/// From the system's generator.
uint32_t random_u32();

/// Uniform in [0, bound). bound > 0.
size_t draw_below(size_t bound, const RandomSource& random);

/// Indexes into CollectorConfig::upstreams by slot: one entry, or A's and B's (base_vs_adapter: base, then adapter).
/// answers is 1 or 2. informative: draws the pair of Pairing::informative; without it that is as random.
std::vector<size_t> choose_upstreams(const CollectorConfig& config, Pairing pairing, int answers,
                                     const RandomSource& random, const InformativeChoice& informative = {});

/// A fair coin: whether A is shown on the left.
bool draw_a_on_left(const RandomSource& random);

/// Seeds are kept below 2^31: some servers read them as signed.
uint32_t draw_seed(const RandomSource& random);

}  // namespace afina::collector
