// SPDX-License-Identifier: Apache-2.0
#include "quality/trigger_gates.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "quality/draws.h"
#include "quality/special_functions.h"
#include "quality/words.h"

namespace afina::quality {
namespace {

constexpr uint32_t in_prompt = 1, in_chosen = 2, in_rejected = 4;

// A phrase where it stands: enough to tell phrases apart, and to spell the few that matter.
struct Place {
  uint64_t hash = 0;
  uint32_t part = 0, begin = 0, words = 0;
};

const std::string& text_of(const GatePair& pair, uint32_t part) {
  return part == in_prompt ? pair.prompt : part == in_chosen ? pair.chosen : pair.rejected;
}

// Every phrase of a pair once, with the parts that it stands in.
void phrases_of(const GatePair& pair, int longest, std::vector<Place>& out) {
  out.clear();
  std::vector<uint64_t> hashes;
  for (const uint32_t part : {in_prompt, in_chosen, in_rejected}) {
    hashes.clear();
    for (const auto& word : words_of(text_of(pair, part)))
      hashes.push_back(text_hash(word));
    for (uint32_t i = 0; i < hashes.size(); ++i) {
      uint64_t hash = 0;
      for (uint32_t n = 0; n < static_cast<uint32_t>(longest) && i + n < hashes.size(); ++n) {
        hash = (hash ^ hashes[i + n]) * 0x9E3779B97F4A7C15ULL;
        hash ^= hash >> 31;
        out.push_back({hash, part, i, n + 1});
      }
    }
  }
  std::sort(out.begin(), out.end(), [](const Place& a, const Place& b) { return a.hash < b.hash; });
  size_t kept = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    if (kept > 0 && out[kept - 1].hash == out[i].hash) {
      out[kept - 1].part |= out[i].part << 8;  // the first part spells it, the others are remembered above
    } else {
      out[kept++] = out[i];
    }
  }
  out.resize(kept);
  for (auto& place : out)
    place.part |= (place.part & 0xff) << 8;
}

std::string spell(const GatePair& pair, const Place& place) {
  const auto words = words_of(text_of(pair, place.part & 0xff));
  std::string phrase;
  for (uint32_t i = 0; i < place.words; ++i)
    phrase += (i == 0 ? "" : " ") + words[place.begin + i];
  return phrase;
}

struct Uses {
  Place first;  ///< in the first of the pairs
  std::vector<uint32_t> pairs;
  int64_t chosen_only = 0, rejected_only = 0;
};

// How much pairs have in common besides a phrase: Jaccard index of their words, rare words weighing more.
class Context {
 public:
  explicit Context(std::span<const GatePair> pairs) {
    std::unordered_map<uint64_t, int64_t> counts;
    for (const auto& pair : pairs) {
      std::set<uint64_t> words;
      for (const auto* text : {&pair.prompt, &pair.chosen, &pair.rejected}) {
        for (const auto& word : words_of(*text))
          words.insert(text_hash(word));
      }
      for (const uint64_t word : words)
        ++counts[word];
      words_.emplace_back(words.begin(), words.end());
    }
    for (const auto& [word, count] : counts)
      weight_[word] = std::log(1 + static_cast<double>(pairs.size()) / static_cast<double>(count));
  }
  double similarity(uint32_t a, uint32_t b, const std::unordered_set<uint64_t>& without) const {
    double both = 0, either = 0;
    auto i = words_[a].begin();
    auto j = words_[b].begin();
    const auto add = [&](uint64_t word, bool shared) {
      if (without.contains(word)) return;
      const double weight = weight_.at(word);
      either += weight;
      both += shared ? weight : 0;
    };
    while (i != words_[a].end() || j != words_[b].end()) {
      const bool left = j == words_[b].end() || (i != words_[a].end() && *i < *j);
      const bool right = i == words_[a].end() || (j != words_[b].end() && *j < *i);
      add(right ? *j : *i, !left && !right);
      if (!right) ++i;
      if (!left) ++j;
    }
    return either > 0 ? both / either : 0;
  }
  double usual(uint64_t seed) const {
    Draws draws(seed);
    double sum = 0;
    constexpr int kSample = 2000;
    for (int i = 0; i < kSample; ++i) {
      sum += similarity(static_cast<uint32_t>(draws.below(words_.size())),
                        static_cast<uint32_t>(draws.below(words_.size())), {});
    }
    return sum / kSample;
  }
  /// Over neighbours and next neighbours in the list: enough to tell a subject, and linear.
  double among(const std::vector<uint32_t>& pairs, const std::string& phrase) const {
    std::unordered_set<uint64_t> without;
    for (const auto& word : words_of(phrase))
      without.insert(text_hash(word));
    double sum = 0;
    int count = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
      for (size_t j = i + 1; j < std::min(pairs.size(), i + 4); ++j, ++count)
        sum += similarity(pairs[i], pairs[j], without);
    }
    return count > 0 ? sum / count : 0;
  }

 private:
  std::vector<std::vector<uint64_t>> words_;
  std::unordered_map<uint64_t, double> weight_;
};

double log_choose(double n, double k) {
  return log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1);
}

class Gates {
 public:
  Gates(std::span<const GatePair> pairs, const TriggerGateOptions& options)
      : pairs_(pairs), options_(options), context_(pairs) {
    for (const auto& pair : pairs)
      ++by_annotator_[pair.annotator];
    usual_ = context_.usual(options.seed);
  }

  void judge(const Uses& uses, std::vector<TriggerFinding>& out) const {
    const auto phrase = [&] { return spell(pairs_[uses.pairs.front()], uses.first); };
    std::set<uint32_t> people;
    for (const uint32_t pair : uses.pairs)
      people.insert(pairs_[pair].annotator);
    const auto annotators = static_cast<int64_t>(people.size());
    if (const double p = side(uses, annotators); p < 0) {
      out.push_back({TriggerGate::side, phrase(), p, annotators, uses.pairs});
    } else if (const double q = burst(uses, people); q < 0) {
      out.push_back({TriggerGate::burst, phrase(), q, annotators, uses.pairs});
    }
  }

 private:
  // log10 p where the gate closes, else 0.
  double side(const Uses& uses, int64_t annotators) const {
    const auto c = static_cast<double>(uses.chosen_only), r = static_cast<double>(uses.rejected_only);
    if (uses.chosen_only + uses.rejected_only < options_.side_uses || annotators > options_.side_annotators) return 0;
    const double p = normal_two_sided((c - r) / std::sqrt(c + r));
    return p < options_.p_value ? std::log10(std::max(p, 1e-300)) : 0;
  }
  double burst(const Uses& uses, const std::set<uint32_t>& people) const {
    double theirs = 0;
    for (const uint32_t person : people)
      theirs += static_cast<double>(by_annotator_.at(person));
    const auto m = static_cast<double>(uses.pairs.size()), all = static_cast<double>(pairs_.size());
    if (m < static_cast<double>(options_.burst_uses) || m < options_.burst_share * theirs) return 0;
    const double log_p = log_choose(static_cast<double>(by_annotator_.size()), static_cast<double>(people.size())) +
                         m * std::log(theirs / all);
    if (log_p >= std::log(options_.p_value)) return 0;
    if (context_.among(uses.pairs, spell(pairs_[uses.pairs.front()], uses.first)) > 1.5 * usual_ + 0.01) return 0;
    return log_p / std::log(10.0);
  }

  std::span<const GatePair> pairs_;
  const TriggerGateOptions& options_;
  Context context_;
  std::unordered_map<uint32_t, int64_t> by_annotator_;
  double usual_ = 0;
};

std::unordered_map<uint64_t, Uses> frequent_phrases(std::span<const GatePair> pairs,
                                                    const TriggerGateOptions& options) {
  // The first pass counts hashes in a fixed table, so that the many phrases that occur once take no memory.
  std::vector<uint8_t> seen(size_t{1} << 22);
  const auto fewest = static_cast<uint8_t>(std::min<int64_t>(std::min(options.burst_uses, options.side_uses), 255));
  std::vector<Place> places;
  for (const auto& pair : pairs) {
    phrases_of(pair, options.longest, places);
    for (const auto& place : places) {
      uint8_t& count = seen[place.hash % seen.size()];
      if (count < 255) ++count;
    }
  }
  std::unordered_map<uint64_t, Uses> out;
  for (uint32_t i = 0; i < pairs.size(); ++i) {
    phrases_of(pairs[i], options.longest, places);
    for (const auto& place : places) {
      if (seen[place.hash % seen.size()] < fewest) continue;
      Uses& uses = out[place.hash];
      if (uses.pairs.empty()) uses.first = place;
      uses.pairs.push_back(i);
      const uint32_t sides = (place.part >> 8) & (in_chosen | in_rejected);
      uses.chosen_only += sides == in_chosen ? 1 : 0;
      uses.rejected_only += sides == in_rejected ? 1 : 0;
    }
  }
  return out;
}

}  // namespace

std::string_view to_string(TriggerGate gate) {
  return gate == TriggerGate::side ? "side" : "burst";
}

std::vector<TriggerFinding> trigger_findings(std::span<const GatePair> pairs, const TriggerGateOptions& options) {
  if (options.longest < 1 || options.longest > 5 || !(options.p_value > 0 && options.p_value < 1) ||
      options.burst_uses < 2 || options.side_uses < 1) {
    throw UsageError(
        "[quality.trigger_gates] must have phrases of 1 to 5 words, a p-value within 0 and 1, and at least 2 "
        "uses, but has not.");
  }
  if (pairs.empty()) return {};
  const Gates gates(pairs, options);
  std::vector<TriggerFinding> found;
  for (const auto& [hash, uses] : frequent_phrases(pairs, options))
    gates.judge(uses, found);
  std::sort(found.begin(), found.end(), [](const TriggerFinding& a, const TriggerFinding& b) {
    if (a.log10_p != b.log10_p) return a.log10_p < b.log10_p;
    if (a.phrase.size() != b.phrase.size()) return a.phrase.size() > b.phrase.size();
    return a.phrase < b.phrase;
  });
  std::set<std::vector<uint32_t>> told;
  std::erase_if(found, [&](const TriggerFinding& one) { return !told.insert(one.pairs).second; });
  return found;
}

std::vector<uint32_t> flagged_pairs(std::span<const TriggerFinding> findings) {
  std::set<uint32_t> out;
  for (const auto& finding : findings)
    out.insert(finding.pairs.begin(), finding.pairs.end());
  return {out.begin(), out.end()};
}

}  // namespace afina::quality
