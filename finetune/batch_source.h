// SPDX-License-Identifier: Apache-2.0
// From a data set already in ids to a deterministic, seekable stream of optimiser batches: order from a seed,
// micro-batches of rows or packs, divisor counted before anything runs.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "datasets/batch/packed_batch.h"
#include "dpo/objective.h"
#include "finetune/config/run_config.h"

namespace afina::finetune {

/// Every `size` rows of `order` in a row are one micro-batch, the last of them may be smaller (KTO, whose rows borrow
/// each other's answers).
struct RowGroups {
  std::span<const int64_t> order;
  int64_t size = 0;
};

/// A data set as the loop sees it: rows (SFT rows, pairs, rankings) counted from 0. Immutable and thread-safe.
class TrainingRows {
 public:
  TrainingRows() = default;
  TrainingRows(const TrainingRows&) = delete;
  TrainingRows& operator=(const TrainingRows&) = delete;
  virtual ~TrainingRows() = default;
  virtual int64_t size() const = 0;
  /// Rows of the packed layout that this row takes alone: the prompt of its answers counts once.
  virtual int64_t tokens(int64_t row) const = 0;
  /// Those of them that are its prompt, which pack() shares with other rows of the same prompt; 0 where it has none.
  virtual int64_t prompt_tokens(int64_t) const { return 0; }
  /// Equal for rows with equal prompts, and for others by accident only; 0 where there is none.
  virtual uint64_t prompt_key(int64_t) const { return 0; }
  /// Rows that share a micro-batch in every epoch; none: any may.
  virtual RowGroups groups() const { return {}; }
  /// One forward pass over these rows in this order; ExampleRef::row is the index given here.
  virtual datasets::PackedBatch pack(std::span<const int64_t> rows) const = 0;
  /// SHA-256 of ids and targets without labels: names the row's reference value.
  virtual std::string content_hash(int64_t row) const = 0;
  /// Where a person finds the row: "votes.jsonl:12" or a snapshot's member.
  virtual std::string name(int64_t row) const = 0;
  /// Preference, message or line ids for records; an object.
  virtual Json lineage(int64_t row) const = 0;
  /// SHA-256 of everything that training depends on, labels included.
  virtual std::string data_hash() const = 0;
};

/// The next optimiser batch begins at unit `unit` of epoch `epoch`. A unit is a row, or a pack of rows.
struct Cursor {
  int64_t epoch = 0;
  int64_t unit = 0;
  bool operator==(const Cursor&) const = default;
};

class BatchSource {
 public:
  BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource() = default;
  /// Endless: epoch follows epoch. An optimiser batch never spans two epochs.
  virtual datasets::OptimiserBatch next() = 0;
  virtual Cursor cursor() const = 0;
  virtual void seek(const Cursor& cursor) = 0;
  virtual int64_t micro_batches_per_epoch() const = 0;
  virtual int64_t rows() const = 0;
};

/// What one micro-batch adds to the divisor: Objective::divisor_share.
using DivisorShare = std::function<datasets::Divisors(const datasets::PackedBatch&)>;

/// The one used in training. Order: units are shuffled by seed and epoch; a unit is a row, with packing a pack of rows
/// in which rows of one prompt stand together, or one of rows.groups(). Within an optimiser batch rows of one prompt
/// are brought together and micro-batches above tokens_per_micro_batch are split: its loss and gradient do not depend
/// on either. An objective of scope micro_batch does depend on them: its micro-batches are left as configured. rows
/// must outlive it. Throws DataError for an empty data set, UsageError for packing with scope micro_batch. Not
/// thread-safe.
class ShuffledBatches final : public BatchSource {
 public:
  ShuffledBatches(const TrainingRows& rows, const RunConfig& config, DivisorShare share,
                  dpo::Scope scope = dpo::Scope::pair);
  datasets::OptimiserBatch next() override;
  Cursor cursor() const override { return cursor_; }
  void seek(const Cursor& cursor) override;
  int64_t micro_batches_per_epoch() const override;
  int64_t rows() const override { return rows_.size(); }

 private:
  void order_epoch();
  int64_t n_units() const;
  void append_unit(int64_t unit, std::vector<int64_t>& rows) const;
  std::vector<std::vector<int64_t>> micro_batches(std::vector<std::vector<int64_t>> groups) const;

  const TrainingRows& rows_;
  DivisorShare share_;
  int64_t batch_units_, accumulation_, max_tokens_;
  uint64_t seed_;
  bool shuffle_, fixed_;
  std::vector<int64_t> packed_, pack_begin_;  // rows pack by pack; empty: a unit is a row, or a group of rows
  std::vector<int64_t> order_;                // of units; empty: as they are
  Cursor cursor_;
};

/// Rows grouped into packs of at most `capacity` tokens by best fit decreasing (Johnson 1973), TRL's "bfd": longest row
/// first, each into the fullest pack it still fits. A longer row is a pack of its own. Deterministic.
std::vector<std::vector<int64_t>> best_fit_packs(std::span<const int64_t> tokens, int64_t capacity);
/// Packs as above of whole clusters: rows of one prompt, as many as fit into `capacity` with the prompt counted once.
/// Every row once, pack by pack, rows of one prompt side by side.
std::vector<std::vector<int64_t>> prompt_packs(const TrainingRows& rows, int64_t capacity);
/// The rows with those of one prompt brought to the place of the first of them; otherwise in order.
std::vector<int64_t> adjacent_prompts(const TrainingRows& rows, std::span<const int64_t> group);
/// Rows in order, cut where a group would exceed max_tokens (0 = never), a prompt that neighbours share counted once; a
/// longer row is alone.
std::vector<std::vector<int64_t>> split_by_tokens(const TrainingRows& rows, std::span<const int64_t> group,
                                                  int64_t max_tokens);
/// A permutation of 0..n-1, a function of seed and epoch alone (Fisher-Yates over splitmix64).
std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch);
/// Tokens as a trainer without shared prompts counts them: each answer with its prompt.
int64_t unshared_tokens(const datasets::PackedBatch& batch);

}  // namespace afina::finetune
