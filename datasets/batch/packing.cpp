// SPDX-License-Identifier: Apache-2.0
#include "datasets/batch/packing.h"

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
  int64_t targets = 0;
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
  return sha.finish_hex();
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

void BatchPacker::add(const TokenExample& example, int64_t row) {
  check(example);
  if (batch_.rows() + example.rows() > std::numeric_limits<int>::max()) {
    throw DataError(cat("[datasets.packing] must keep a batch below 2^31 rows, but got ", batch_.rows(), " and ",
                        example.rows(), "."));
  }
  const auto example_index = static_cast<int>(batch_.examples.size());
  batch_.examples.push_back({row, static_cast<int>(batch_.sequences.size()), static_cast<int>(example.sequences.size()),
                             example.soft_label, example.margin, example.weight});
  const auto prefix = static_cast<int>(example.prefix_ids.size());
  const int prefix_begin = prefix > 0 ? append_segment(example.prefix_ids, 0, 0, 0) : 0;
  for (size_t side = 0; side < example.sequences.size(); ++side) {
    const TokenSequence& sequence = example.sequences[side];
    const int begin = append_segment(sequence.ids, prefix, prefix_begin, prefix);
    const auto index = static_cast<int>(batch_.sequences.size());
    const auto first_target = static_cast<int>(batch_.targets.size());
    for (size_t t = 0; t < sequence.ids.size(); ++t) {
      if (sequence.weights[t] == 0.0F || (t == 0 && prefix == 0)) continue;
      const int from = t == 0 ? prefix_begin + prefix - 1 : begin + static_cast<int>(t) - 1;
      batch_.targets.push_back({from, sequence.ids[t], index, sequence.weights[t]});
    }
    const int targets = static_cast<int>(batch_.targets.size()) - first_target;
    batch_.sequences.push_back({example_index, static_cast<int>(side), first_target, targets});
  }
}

PackedBatch BatchPacker::take() {
  return std::exchange(batch_, {});
}

}  // namespace afina::datasets
