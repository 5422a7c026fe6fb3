// SPDX-License-Identifier: Apache-2.0
#include "finetune/batch_source.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <unordered_map>
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

std::vector<std::vector<int64_t>> prompt_packs(const TrainingRows& rows, int64_t capacity) {
  struct Cluster {
    std::vector<int64_t> rows;
    int64_t tokens = 0;
  };
  std::vector<Cluster> clusters;
  std::unordered_map<uint64_t, size_t> open;  // prompt -> the cluster that still has room
  for (int64_t row = 0; row < rows.size(); ++row) {
    const uint64_t key = rows.prompt_key(row);
    const int64_t tokens = rows.tokens(row), answers = tokens - rows.prompt_tokens(row);
    const auto found = key == 0 ? open.end() : open.find(key);
    if (found != open.end() && clusters[found->second].tokens + answers <= capacity) {
      clusters[found->second].rows.push_back(row);
      clusters[found->second].tokens += answers;
      continue;
    }
    if (key != 0) open[key] = clusters.size();
    clusters.push_back({{row}, tokens});
  }
  std::vector<int64_t> tokens;
  tokens.reserve(clusters.size());
  for (const Cluster& cluster : clusters)
    tokens.push_back(cluster.tokens);
  auto packs = best_fit_packs(tokens, capacity);
  for (auto& pack : packs) {
    std::vector<int64_t> members;
    for (const int64_t cluster : pack) {
      const auto& list = clusters[static_cast<size_t>(cluster)].rows;
      members.insert(members.end(), list.begin(), list.end());
    }
    pack = std::move(members);
  }
  return packs;
}

std::vector<int64_t> adjacent_prompts(const TrainingRows& rows, std::span<const int64_t> group) {
  std::unordered_map<uint64_t, size_t> place;
  std::vector<std::vector<int64_t>> clusters;
  for (const int64_t row : group) {
    const uint64_t key = rows.prompt_key(row);
    const auto found = key == 0 ? place.end() : place.find(key);
    if (found != place.end()) {
      clusters[found->second].push_back(row);
      continue;
    }
    if (key != 0) place.emplace(key, clusters.size());
    clusters.push_back({row});
  }
  std::vector<int64_t> out;
  out.reserve(group.size());
  for (const auto& cluster : clusters)
    out.insert(out.end(), cluster.begin(), cluster.end());
  return out;
}

std::vector<std::vector<int64_t>> split_by_tokens(const TrainingRows& rows, std::span<const int64_t> group,
                                                  int64_t max_tokens) {
  std::vector<std::vector<int64_t>> parts;
  int64_t sum = 0;
  uint64_t before = 0;
  for (const int64_t row : group) {
    const uint64_t key = rows.prompt_key(row);
    const int64_t alone = rows.tokens(row);
    const int64_t beside = key != 0 && key == before ? alone - rows.prompt_tokens(row) : alone;
    if (parts.empty() || (max_tokens > 0 && sum + beside > max_tokens)) {
      parts.emplace_back();
      sum = alone;
    } else {
      sum += beside;
    }
    before = key;
    parts.back().push_back(row);
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

ShuffledBatches::ShuffledBatches(const TrainingRows& rows, const RunConfig& config, DivisorShare share,
                                 dpo::Scope scope)
    : rows_(rows),
      share_(std::move(share)),
      batch_units_(config.per_device_train_batch_size),
      accumulation_(config.gradient_accumulation_steps),
      max_tokens_(config.tokens_per_micro_batch),
      seed_(static_cast<uint64_t>(config.seed)),
      shuffle_(config.shuffle),
      fixed_(scope == dpo::Scope::micro_batch) {
  if (rows.size() == 0) throw DataError("[finetune.data] must have at least one row to train on, but got none.");
  if (config.packing && (fixed_ || rows.groups().size > 0)) {
    throw UsageError("[finetune.data] packing must be off where a loss compares the rows of a micro-batch, but is on.",
                     "set packing=false: the rows are laid out without padding anyway");
  }
  if (rows.groups().size > 0) batch_units_ = 1;
  if (config.packing) {
    for (const auto& pack : prompt_packs(rows, config.max_length)) {
      pack_begin_.push_back(static_cast<int64_t>(packed_.size()));
      packed_.insert(packed_.end(), pack.begin(), pack.end());
    }
  }
  order_epoch();
}

int64_t ShuffledBatches::n_units() const {
  if (!pack_begin_.empty()) return static_cast<int64_t>(pack_begin_.size());
  const int64_t size = rows_.groups().size;
  return size > 0 ? (rows_.size() + size - 1) / size : rows_.size();
}

void ShuffledBatches::append_unit(int64_t unit, std::vector<int64_t>& rows) const {
  if (!pack_begin_.empty()) {
    const auto begin = static_cast<size_t>(pack_begin_[static_cast<size_t>(unit)]);
    const auto end =
        unit + 1 < n_units() ? static_cast<size_t>(pack_begin_[static_cast<size_t>(unit) + 1]) : packed_.size();
    rows.insert(rows.end(), packed_.begin() + static_cast<std::ptrdiff_t>(begin),
                packed_.begin() + static_cast<std::ptrdiff_t>(end));
    return;
  }
  const RowGroups groups = rows_.groups();
  if (groups.size == 0) {
    rows.push_back(unit);
    return;
  }
  const int64_t last = std::min((unit + 1) * groups.size, rows_.size());
  for (int64_t i = unit * groups.size; i < last; ++i)
    rows.push_back(groups.order[static_cast<size_t>(i)]);
}

void ShuffledBatches::order_epoch() {
  if (shuffle_) order_ = epoch_order(n_units(), seed_, cursor_.epoch);
}

int64_t ShuffledBatches::micro_batches_per_epoch() const {
  return (n_units() + batch_units_ - 1) / batch_units_;
}

void ShuffledBatches::seek(const Cursor& cursor) {
  if (cursor.epoch < 0 || cursor.unit < 0 || cursor.unit >= n_units()) {
    throw DataError(
        cat("[finetune.data] must resume at one of ", n_units(), " units of an epoch, but got ", cursor.unit, "."));
  }
  cursor_ = cursor;
  order_epoch();
}

// One loss and one gradient however its rows are split: those of one prompt stand together, and none exceeds the bound
// on tokens.
std::vector<std::vector<int64_t>> ShuffledBatches::micro_batches(std::vector<std::vector<int64_t>> groups) const {
  if (fixed_ || rows_.groups().size > 0) return groups;
  std::vector<int64_t> all;
  for (const auto& group : groups)
    all.insert(all.end(), group.begin(), group.end());
  all = adjacent_prompts(rows_, all);
  std::vector<std::vector<int64_t>> out;
  size_t next = 0;
  for (const auto& group : groups) {
    const auto part = std::span<const int64_t>(all).subspan(next, group.size());
    next += group.size();
    for (auto& micro : split_by_tokens(rows_, part, max_tokens_))
      out.push_back(std::move(micro));
  }
  return out;
}

datasets::OptimiserBatch ShuffledBatches::next() {
  const int64_t n = n_units();
  // What throws leaves the cursor where it was.
  Cursor cursor = cursor_;
  std::vector<std::vector<int64_t>> groups;
  for (int64_t micro = 0; micro < accumulation_ && cursor.unit < n; ++micro) {
    groups.emplace_back();
    for (int64_t i = 0; i < batch_units_ && cursor.unit < n; ++i, ++cursor.unit)
      append_unit(shuffle_ ? order_[static_cast<size_t>(cursor.unit)] : cursor.unit, groups.back());
  }
  datasets::OptimiserBatch batch;
  for (const auto& rows : micro_batches(std::move(groups))) {
    batch.micro.push_back(rows_.pack(rows));
    batch.divisors += share_(batch.micro.back());
  }
  cursor_ = cursor;
  if (cursor_.unit >= n) {
    cursor_ = {cursor_.epoch + 1, 0};
    order_epoch();
  }
  return batch;
}

}  // namespace afina::finetune
