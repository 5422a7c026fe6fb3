// SPDX-License-Identifier: Apache-2.0
#include "finetune/batch_source.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.h"

namespace afina::finetune {
namespace {

/// Steele, Lea, Flood 2014.
uint64_t splitmix64(uint64_t& state) {
  uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  uint64_t state = seed;
  state = splitmix64(state) ^ (static_cast<uint64_t>(epoch) * 0xD1342543DE82EF95ULL);
  for (size_t i = order.size(); i > 1; --i) {
    const auto range = static_cast<uint64_t>(i);
    uint64_t draw = splitmix64(state);
    // Draws beyond the last whole multiple of the range would favour small values.
    while (draw >= UINT64_MAX - UINT64_MAX % range)
      draw = splitmix64(state);
    std::swap(order[i - 1], order[draw % range]);
  }
  return order;
}

std::vector<std::vector<int64_t>> best_fit_packs(std::span<const int64_t> tokens, int64_t capacity) {
  std::vector<int64_t> by_length(tokens.size());
  std::iota(by_length.begin(), by_length.end(), 0);
  std::stable_sort(by_length.begin(), by_length.end(), [&](int64_t a, int64_t b) {
    return tokens[static_cast<size_t>(a)] > tokens[static_cast<size_t>(b)];
  });
  std::vector<std::vector<int64_t>> packs;
  std::multimap<int64_t, size_t> room;  // free tokens -> pack
  for (const int64_t row : by_length) {
    const int64_t length = tokens[static_cast<size_t>(row)];
    const auto fit = room.lower_bound(length);
    size_t pack = packs.size();
    int64_t left = capacity - length;
    if (fit == room.end()) {
      packs.emplace_back();
    } else {
      pack = fit->second;
      left = fit->first - length;
      room.erase(fit);
    }
    packs[pack].push_back(row);
    if (left > 0) room.emplace(left, pack);
  }
  return packs;
}

std::vector<std::vector<int64_t>> split_by_tokens(const TrainingRows& rows, std::span<const int64_t> group,
                                                  int64_t max_tokens) {
  std::vector<std::vector<int64_t>> parts;
  int64_t sum = 0;
  for (const int64_t row : group) {
    const int64_t tokens = rows.tokens(row);
    if (parts.empty() || (max_tokens > 0 && sum + tokens > max_tokens)) {
      parts.emplace_back();
      sum = 0;
    }
    parts.back().push_back(row);
    sum += tokens;
  }
  return parts;
}

int64_t unshared_tokens(const datasets::PackedBatch& batch) {
  std::set<int> prefixes;
  for (const auto& segment : batch.segments) {
    if (segment.prefix_length > 0) prefixes.insert(segment.prefix_begin);
  }
  int64_t tokens = 0;
  for (const auto& segment : batch.segments) {
    if (segment.prefix_length > 0 || prefixes.count(segment.begin) == 0)
      tokens += segment.length + segment.prefix_length;
  }
  return tokens;
}

ShuffledBatches::ShuffledBatches(const TrainingRows& rows, const RunConfig& config, DivisorShare share)
    : rows_(rows),
      share_(std::move(share)),
      batch_units_(config.per_device_train_batch_size),
      accumulation_(config.gradient_accumulation_steps),
      max_tokens_(config.tokens_per_micro_batch),
      seed_(static_cast<uint64_t>(config.seed)),
      shuffle_(config.shuffle) {
  if (rows.size() == 0) throw DataError("[finetune.data] must have at least one row to train on, but got none.");
  std::vector<int64_t> tokens(static_cast<size_t>(rows.size()));
  for (int64_t row = 0; row < rows.size(); ++row)
    tokens[static_cast<size_t>(row)] = rows.tokens(row);
  if (config.packing) {
    units_ = best_fit_packs(tokens, config.max_length);
  } else {
    for (int64_t row = 0; row < rows.size(); ++row)
      units_.push_back({row});
  }
  order_epoch();
}

void ShuffledBatches::order_epoch() {
  const auto n = static_cast<int64_t>(units_.size());
  if (shuffle_) {
    order_ = epoch_order(n, seed_, cursor_.epoch);
  } else {
    order_.resize(static_cast<size_t>(n));
    std::iota(order_.begin(), order_.end(), 0);
  }
}

int64_t ShuffledBatches::micro_batches_per_epoch() const {
  return (static_cast<int64_t>(units_.size()) + batch_units_ - 1) / batch_units_;
}

void ShuffledBatches::seek(const Cursor& cursor) {
  if (cursor.epoch < 0 || cursor.unit < 0 || cursor.unit >= static_cast<int64_t>(units_.size())) {
    throw DataError(
        cat("[finetune.data] must resume at one of ", units_.size(), " units of an epoch, but got ", cursor.unit, "."));
  }
  cursor_ = cursor;
  order_epoch();
}

datasets::OptimiserBatch ShuffledBatches::next() {
  const auto n = static_cast<int64_t>(units_.size());
  datasets::OptimiserBatch batch;
  for (int64_t micro = 0; micro < accumulation_ && cursor_.unit < n; ++micro) {
    std::vector<int64_t> group;
    for (int64_t i = 0; i < batch_units_ && cursor_.unit < n; ++i, ++cursor_.unit) {
      const auto& unit = units_[static_cast<size_t>(order_[static_cast<size_t>(cursor_.unit)])];
      group.insert(group.end(), unit.begin(), unit.end());
    }
    for (const auto& part : split_by_tokens(rows_, group, max_tokens_)) {
      batch.micro.push_back(rows_.pack(part));
      batch.divisors += share_(batch.micro.back());
    }
  }
  if (cursor_.unit >= n) {
    cursor_ = {cursor_.epoch + 1, 0};
    order_epoch();
  }
  return batch;
}

}  // namespace afina::finetune
