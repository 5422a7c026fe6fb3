// SPDX-License-Identifier: Apache-2.0
#include "collector/pairing.h"

#include <algorithm>

#include "base/cat.h"
#include "base/error.h"
#include "base/hash.h"

namespace afina::collector {
namespace {

size_t index_of(const CollectorConfig& config, const std::string& name) {
  const auto found = std::find_if(config.upstreams.begin(), config.upstreams.end(),
                                  [&](const UpstreamConfig& upstream) { return upstream.name == name; });
  if (found == config.upstreams.end())
    throw UsageError(cat("[pairing] must name an upstream, but got \"", name, "\"."));
  return static_cast<size_t>(found - config.upstreams.begin());
}

}  // namespace

uint32_t random_u32() {
  return static_cast<uint32_t>(std::stoul(random_hex(4), nullptr, 16));
}

size_t draw_below(size_t bound, const RandomSource& random) {
  // Rejection keeps it uniform: a modulo would favour the first upstreams.
  const uint32_t limit = UINT32_MAX - static_cast<uint32_t>((uint64_t{UINT32_MAX} + 1) % bound);
  uint32_t number = random();
  while (number > limit)
    number = random();
  return number % bound;
}

bool draw_a_on_left(const RandomSource& random) {
  return draw_below(2, random) == 0;
}

uint32_t draw_seed(const RandomSource& random) {
  return random() & 0x7fffffffU;
}

std::vector<size_t> choose_upstreams(const CollectorConfig& config, Pairing pairing, int answers,
                                     const RandomSource& random, const InformativeChoice& informative) {
  const size_t count = config.upstreams.size();
  AFINA_CHECK(count > 0 && (answers == 1 || answers == 2), "upstreams ", count, ", answers ", answers);
  const size_t first = draw_below(count, random);
  if (answers == 1) return {first};
  std::vector<size_t> pair{first, first};
  if (pairing == Pairing::base_vs_adapter) {
    pair = {index_of(config, config.base), index_of(config, config.adapter)};
  } else if (pairing == Pairing::informative && informative && count > 1) {
    // Which of the two is A is chance: the choice says only who meets whom.
    const auto [one, other] = informative(random);
    const bool swap = draw_below(2, random) == 1;
    pair = swap ? std::vector<size_t>{other, one} : std::vector<size_t>{one, other};
  } else if (pairing != Pairing::self && count > 1) {
    pair[1] = (first + 1 + draw_below(count - 1, random)) % count;
  }
  return pair;
}

}  // namespace afina::collector
