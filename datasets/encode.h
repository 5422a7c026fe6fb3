// SPDX-License-Identifier: Apache-2.0
// Rows to token examples with masks, through the one text path (docs/decisions.md), and the encoded data set that a
// trainer draws batches from. Conventions are TRL's, so ids and targets equal the peers'.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "datasets/batch/packing.h"
#include "datasets/encode_report.h"
#include "datasets/labels.h"
#include "datasets/rows.h"
#include "datasets/token_records.h"
#include "text/text_stack.h"

namespace afina::datasets {

/// What to do with a row whose prompt alone fills max_length, or that has nothing to train.
enum class BadRow { drop, error };
/// What to do with a longer row whose prompt fits.
enum class LongRow { cut, keep, drop, error };
/// SFT rows in pieces (TRL's packing strategies). split: rows above max_length are cut into pieces, each a document of
/// its own; wrapped: all rows joined, cut every max_length tokens, so that a piece may see the end of another row.
enum class Pieces { none, split, wrapped };

struct EncodeRowsOptions {
  int64_t max_length = 1024;  ///< tokens of prompt and answer, 2 or more
  BadRow bad_row = BadRow::drop;
  LongRow long_row = LongRow::cut;
  int64_t context = 0;  ///< the model's longest sequence, which bounds LongRow::keep; 0: unbounded
  Pieces pieces = Pieces::none;
  LabelOptions labels;               ///< of pairs and unpaired rows
  bool assistant_only_loss = true;   ///< chats: only assistant turns are trained, else all tokens
  bool completion_only_loss = true;  ///< prompt and completion: only the completion is trained, else both
  /// LD-DPO (Liu et al. 2024, eq. 6): weight of a pair's targets beyond the shorter answer's length, 0..1.
  double ld_alpha = 1.0;
  bool score = false;          ///< reward model: TokenExample::score
  bool train_prompt = false;   ///< pairs: the prompt is a sequence of its own (ORPO's likelihood term)
  bool unpair = false;         ///< pairs become two unpaired rows each (KTO, BCO), as TRL does
  bool parse_special = false;  ///< the peers' behaviour, for parity only
  int vocab_size = 0;          ///< bounds the ids of pre-tokenised rows; 0: the tokenizer's, or unchecked without one
};
/// Every option as one line: part of a cache's key. Equal lines, equal examples.
std::string to_string(const EncodeRowsOptions& options);

/// KTO's KL term: groups of rows that share a micro-batch, and for each row the one before it in its group.
struct Mismatch {
  std::vector<int64_t> order;    ///< every row once; each `size` of them make a group, the last may be smaller
  int64_t size = 0;              ///< rows a group
  std::vector<int64_t> partner;  ///< of each row: whose answer it borrows; of a group of one its own
};

/// A data set in ids: a view of records in memory or in a mapped file. Immutable but for pair_mismatched(); any thread
/// may read. Reading a record of a damaged file throws DataError.
class EncodedRows {
 public:
  EncodedRows(std::shared_ptr<const TokenRecords> records, EncodeReport report)
      : records_(std::move(records)), report_(std::move(report)) {}

  int64_t size() const { return records_->size(); }
  /// With the borrowed answer as side 1 after pair_mismatched().
  TokenExample example(int64_t row) const;
  /// Rows of the packed layout.
  int64_t tokens(int64_t row) const;
  /// Those of them that are the prompt, and prompt_key() of it.
  int64_t prompt_tokens(int64_t row) const { return records_->entry(row).prompt_tokens; }
  uint64_t prompt_key(int64_t row) const { return records_->entry(row).prompt_key; }
  /// Rows with equal prompts share one prompt segment.
  PackedBatch pack(std::span<const int64_t> rows) const;
  std::string content_hash(int64_t row) const { return datasets::content_hash(example(row)); }
  /// "votes.jsonl:12".
  std::string name(int64_t row) const { return records_->record(row).name; }
  /// {"where": …, "preference_ids": […]}.
  Json lineage(int64_t row) const;
  /// SHA-256 of all rows in order: ids, weights, q, m, w, t.
  const std::string& data_hash() const { return records_->data_hash(); }
  const EncodeReport& report() const { return report_; }

  /// Rows of one answer each (unpaired): fixes once and for all which rows share a micro-batch, so that each row
  /// borrows one answer, with one reference value, in every epoch. Rule of TRL's KTO: within each `micro_batch` rows of
  /// `order` the answers are rotated by one, (x₁, yₙ), (x₂, y₁), …, cut at max_length with their new prompt. Throws
  /// UsageError for a micro_batch below 2, InternalError for rows of several answers or an order that is none.
  void pair_mismatched(std::vector<int64_t> order, int64_t micro_batch, int64_t max_length);
  /// Null before pair_mismatched().
  const Mismatch* mismatch() const { return mismatch_ ? &*mismatch_ : nullptr; }

 private:
  int64_t borrowed_tokens(int64_t row) const;

  std::shared_ptr<const TokenRecords> records_;
  EncodeReport report_;
  std::optional<Mismatch> mismatch_;
  int64_t max_length_ = 0;
};

/// The next row, or nothing at the end.
using RowStream = std::function<std::optional<AnyRow>()>;
/// Called once, when the first row of text comes; null where there is no tokenizer.
using TextSource = std::function<const text::TextStack*()>;

/// Row by row into `out` (memory, or a file that will be mapped). Throws DataError naming the row (a conversation the
/// template refuses, people's text that would become control tokens, an id out of range), with bad_row=error also for
/// the rows that drop would count, and where no row is left; ModelError where messages meet a model without template.
EncodedRows encode_stream(const RowStream& rows, const TextSource& text, const EncodeRowsOptions& options,
                          TokenRecordsWriter& out);

/// In memory. text may be null where every row is pre-tokenised.
EncodedRows encode_sft(std::span<const SftRow> rows, const text::TextStack* text, const EncodeRowsOptions& options);
/// The completion is everything after the generation prompt: the answer, its end of turn and what the template writes
/// after it. Each answer is cut by itself; the prompt is shared.
EncodedRows encode_pairs(std::span<const PairRow> rows, const text::TextStack* text, const EncodeRowsOptions& options);
EncodedRows encode_unpaired(std::span<const UnpairedRow> rows, const text::TextStack* text,
                            const EncodeRowsOptions& options);
EncodedRows encode_rankings(std::span<const RankingRow> rows, const text::TextStack* text,
                            const EncodeRowsOptions& options);

}  // namespace afina::datasets
