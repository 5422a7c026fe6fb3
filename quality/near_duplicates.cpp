// SPDX-License-Identifier: Apache-2.0
#include "quality/near_duplicates.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "quality/words.h"

namespace afina::quality {
namespace {

constexpr size_t kBands = 8, kRows = 8;

std::vector<uint64_t> shingles(const std::string& text) {
  const auto words = words_of(text);
  std::vector<uint64_t> out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0 && i + 2 >= words.size()) break;  // short texts have one shingle
    std::string shingle;
    for (size_t j = i; j < std::min(i + 3, words.size()); ++j)
      shingle += words[j] + ' ';
    out.push_back(text_hash(shingle));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

double jaccard(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  std::vector<uint64_t> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return static_cast<double>(both.size()) / static_cast<double>(a.size() + b.size() - both.size());
}

class Groups {
 public:
  explicit Groups(size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), 0U); }
  uint32_t find(uint32_t i) {
    while (parent_[i] != i)
      i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void join(uint32_t a, uint32_t b) { parent_[std::max(find(a), find(b))] = std::min(find(a), find(b)); }

 private:
  std::vector<uint32_t> parent_;
};

uint64_t band_key(const std::vector<uint64_t>& set, size_t band) {
  uint64_t key = 0;
  for (size_t row = 0; row < kRows; ++row) {
    const uint64_t factor = text_hash("minhash", band * kRows + row + 1) | 1;
    uint64_t least = UINT64_MAX;
    for (const uint64_t value : set)
      least = std::min(least, (value ^ (value >> 29)) * factor);
    key = (key ^ least) * 0x9E3779B97F4A7C15ULL + row;
  }
  return key;
}

}  // namespace

std::vector<std::vector<uint32_t>> near_duplicate_clusters(std::span<const std::string> texts, double threshold) {
  if (!(threshold >= 0.5 && threshold <= 1)) {
    throw UsageError(cat("[quality.near_duplicates] the threshold must lie within 0.5 and 1, but is ", threshold, "."));
  }
  std::vector<std::vector<uint64_t>> sets;
  for (const auto& text : texts)
    sets.push_back(shingles(text));
  Groups groups(texts.size());
  for (size_t band = 0; band < kBands; ++band) {
    // Of each bucket the first of every group found so far: equals are joined once, not compared in squares.
    std::unordered_map<uint64_t, std::vector<uint32_t>> buckets;
    for (uint32_t i = 0; i < sets.size(); ++i) {
      if (sets[i].empty()) continue;
      auto& bucket = buckets[band_key(sets[i], band)];
      const auto same = std::find_if(bucket.begin(), bucket.end(), [&](uint32_t other) {
        return groups.find(other) == groups.find(i) || jaccard(sets[other], sets[i]) >= threshold;
      });
      if (same == bucket.end()) {
        bucket.push_back(i);
      } else {
        groups.join(*same, i);
      }
    }
  }
  std::map<uint32_t, std::vector<uint32_t>> clusters;
  for (uint32_t i = 0; i < sets.size(); ++i)
    clusters[groups.find(i)].push_back(i);
  std::vector<std::vector<uint32_t>> out;
  for (auto& [first, members] : clusters) {
    if (members.size() > 1) out.push_back(std::move(members));
  }
  return out;
}

}  // namespace afina::quality
