// SPDX-License-Identifier: Apache-2.0
#include "datasets/batch/packing.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/hash.h"

namespace afina::datasets {
namespace {

void check(const TokenExample& example) {
  if (example.sequences.empty())
    throw DataError("[datasets.packing] must have at least one sequence an example, but got none.");
  for (const TokenSequence& sequence : example.sequences) {
    if (sequence.ids.empty())
      throw DataError("[datasets.packing] must have at least one token a sequence, but got none.");
    if (sequence.ids.size() != sequence.weights.size()) {
      throw DataError(cat("[datasets.packing] must have a weight for each token, but got ", sequence.weights.size(),
                          " for ", sequence.ids.size(), "."));
    }
  }
  if (!example.prefix_weights.empty() && example.prefix_weights.size() != example.prefix_ids.size()) {
    throw DataError(cat("[datasets.packing] must have a weight for each token of the prompt, but got ",
                        example.prefix_weights.size(), " for ", example.prefix_ids.size(), "."));
  }
}

template <typename T>
void hash_list(Sha256& sha, const std::vector<T>& list) {
  const uint64_t size = list.size();
  sha.update(&size, sizeof size);
  sha.update(list.data(), list.size() * sizeof(T));
}

}  // namespace

int64_t TokenExample::rows() const {
  auto rows = static_cast<int64_t>(prefix_ids.size());
  for (const TokenSequence& sequence : sequences)
    rows += static_cast<int64_t>(sequence.ids.size());
  return rows;
}

int64_t TokenExample::targets() const {
  if (score) return static_cast<int64_t>(sequences.size());
  int64_t targets = 0;
  for (size_t t = 1; t < prefix_weights.size(); ++t)
    targets += prefix_weights[t] != 0.0F ? 1 : 0;
  for (const TokenSequence& sequence : sequences) {
    for (size_t t = prefix_ids.empty() ? 1 : 0; t < sequence.weights.size(); ++t)
      targets += sequence.weights[t] != 0.0F ? 1 : 0;
  }
  return targets;
}

std::string content_hash(const TokenExample& example) {
  Sha256 sha;
  hash_list(sha, example.prefix_ids);
  for (const TokenSequence& sequence : example.sequences) {
    hash_list(sha, sequence.ids);
    hash_list(sha, sequence.weights);
  }
  // Only where they are used, so that values cached for plain examples keep their names.
  if (!example.prefix_weights.empty()) {
    sha.update("prompt");
    hash_list(sha, example.prefix_weights);
  }
  if (example.score) sha.update("score");
  return sha.finish_hex();
}

uint64_t prompt_key(std::span<const int> prefix_ids) {
  if (prefix_ids.empty()) return 0;
  // Words mixed as in MurmurHash3's finaliser (Appleby).
  uint64_t hash = 0x9E3779B97F4A7C15ULL ^ prefix_ids.size();
  for (const int id : prefix_ids) {
    hash = (hash ^ static_cast<uint32_t>(id)) * 0xFF51AFD7ED558CCDULL;
    hash ^= hash >> 33;
  }
  hash = (hash ^ (hash >> 29)) * 0xC4CEB9FE1A85EC53ULL;
  hash ^= hash >> 33;
  return hash == 0 ? 1 : hash;
}

int BatchPacker::append_segment(const std::vector<int>& ids, int first_position, int prefix_begin, int prefix_length) {
  const auto begin = static_cast<int>(batch_.ids.size());
  const auto length = static_cast<int>(ids.size());
  batch_.segments.push_back({begin, length, prefix_begin, prefix_length});
  batch_.ids.insert(batch_.ids.end(), ids.begin(), ids.end());
  for (int i = 0; i < length; ++i)
    batch_.positions.push_back(first_position + i);
  return begin;
}

// The first row of the prompt's segment: one that is there already, or a new one.
int BatchPacker::prefix_of(const std::vector<int>& ids) {
  const auto length = static_cast<int>(ids.size());
  if (length == 0) return 0;
  const uint64_t key = share_ == SharePrompts::yes ? prompt_key(ids) : 0;
  const auto [first, last] = prompts_.equal_range(key);
  for (auto known = first; known != last && share_ == SharePrompts::yes; ++known) {
    const auto [begin, known_length] = known->second;
    if (known_length == length && std::equal(ids.begin(), ids.end(), batch_.ids.begin() + begin)) return begin;
  }
  const int begin = append_segment(ids, 0, 0, 0);
  if (share_ == SharePrompts::yes) prompts_.emplace(key, std::pair(begin, length));
  return begin;
}

void BatchPacker::add_answer(const TokenExample& example, size_t side, int prefix_begin) {
  const TokenSequence& sequence = example.sequences[side];
  const auto prefix = static_cast<int>(example.prefix_ids.size());
  const auto length = static_cast<int>(sequence.ids.size());
  const int begin = append_segment(sequence.ids, prefix, prefix_begin, prefix);
  const auto index = static_cast<int>(batch_.sequences.size());
  const auto first_target = static_cast<int>(batch_.targets.size());
  if (example.score) {
    batch_.targets.push_back({begin + length - 1, 0, index, 1.0F});
  } else {
    for (int t = 0; t < length; ++t) {
      const float weight = sequence.weights[static_cast<size_t>(t)];
      if (weight == 0.0F || (t == 0 && prefix == 0)) continue;
      const int from = t == 0 ? prefix_begin + prefix - 1 : begin + t - 1;
      batch_.targets.push_back({from, sequence.ids[static_cast<size_t>(t)], index, weight});
    }
  }
  batch_.sequences.push_back({static_cast<int>(batch_.examples.size()) - 1, static_cast<int>(side), first_target,
                              static_cast<int>(batch_.targets.size()) - first_target});
}

void BatchPacker::add_prompt(const TokenExample& example, int prefix_begin) {
  const auto index = static_cast<int>(batch_.sequences.size());
  const auto first_target = static_cast<int>(batch_.targets.size());
  for (size_t t = 1; t < example.prefix_weights.size(); ++t) {
    const float weight = example.prefix_weights[t];
    if (weight != 0.0F)
      batch_.targets.push_back({prefix_begin + static_cast<int>(t) - 1, example.prefix_ids[t], index, weight});
  }
  batch_.sequences.push_back({static_cast<int>(batch_.examples.size()) - 1, kPromptSide, first_target,
                              static_cast<int>(batch_.targets.size()) - first_target});
}

void BatchPacker::add(const TokenExample& example, int64_t row) {
  check(example);
  if (batch_.rows() + example.rows() > std::numeric_limits<int>::max()) {
    throw DataError(cat("[datasets.packing] must keep a batch below 2^31 rows, but got ", batch_.rows(), " and ",
                        example.rows(), "."));
  }
  const bool with_prompt = !example.prefix_weights.empty();
  batch_.examples.push_back({row, static_cast<int>(batch_.sequences.size()),
                             static_cast<int>(example.sequences.size()) + (with_prompt ? 1 : 0), example.soft_label,
                             example.tie, example.margin, example.weight});
  const int prefix_begin = prefix_of(example.prefix_ids);
  for (size_t side = 0; side < example.sequences.size(); ++side)
    add_answer(example, side, prefix_begin);
  if (with_prompt) add_prompt(example, prefix_begin);
}

PackedBatch BatchPacker::take() {
  prompts_.clear();
  return std::exchange(batch_, {});
}

}  // namespace afina::datasets
