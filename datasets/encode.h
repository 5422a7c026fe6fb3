// SPDX-License-Identifier: Apache-2.0
// Rows to token examples with masks, through the one text path (docs/decisions.md), and the encoded data set that a
// trainer draws batches from. Conventions are TRL's, so ids and targets equal the peers'.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "datasets/batch/packing.h"
#include "datasets/labels.h"
#include "datasets/rows.h"
#include "text/text_stack.h"

namespace afina::datasets {

/// What to do with a row whose prompt alone fills max_length, or that has nothing to train.
enum class BadRow { drop, error };

struct EncodeRowsOptions {
  int64_t max_length = 1024;  ///< tokens of prompt and answer; longer answers are cut at the end
  BadRow bad_row = BadRow::drop;
  LabelOptions labels;         ///< of pairs
  bool parse_special = false;  ///< the peers' behaviour, for parity only
  int vocab_size = 0;          ///< bounds the ids of pre-tokenised rows; 0: the tokenizer's, or unchecked without one
};

/// What became of the rows. Shown to the person, never hidden.
struct EncodeReport {
  int64_t rows = 0, kept = 0;
  int64_t long_prompts = 0;                ///< dropped: the prompt alone fills max_length
  int64_t without_targets = 0;             ///< dropped: nothing to train
  int64_t ties = 0;                        ///< dropped by label_mode=hard
  int64_t truncated = 0;                   ///< kept, but cut at max_length
  int64_t merged_boundaries = 0;           ///< kept; a token spans the end of the prompt and counts as answer
  int64_t tokens = 0, targets = 0;         ///< of the kept rows
  std::vector<std::string> first_dropped;  ///< where the first few dropped rows stand, with the reason
  /// "76 of 80 rows kept; dropped: 3 with a prompt of max_length or more, …".
  std::string summary() const;
};

/// A data set in ids. Immutable: any thread may read.
class EncodedRows {
 public:
  int64_t size() const { return static_cast<int64_t>(examples_.size()); }
  const TokenExample& example(int64_t row) const { return examples_.at(static_cast<size_t>(row)); }
  /// Rows of the packed layout.
  int64_t tokens(int64_t row) const { return example(row).rows(); }
  PackedBatch pack(std::span<const int64_t> rows) const;
  std::string content_hash(int64_t row) const { return datasets::content_hash(example(row)); }
  /// "votes.jsonl:12".
  const std::string& name(int64_t row) const { return where_.at(static_cast<size_t>(row)); }
  /// {"where": …, "preference_ids": […]}.
  Json lineage(int64_t row) const;
  /// SHA-256 of all rows in order: ids, weights, q, m, w.
  std::string data_hash() const;
  const EncodeReport& report() const { return report_; }

 private:
  friend class RowEncoder;
  std::vector<TokenExample> examples_;
  std::vector<std::string> where_;
  std::vector<std::vector<std::string>> preference_ids_;
  EncodeReport report_;
};

/// text may be null where every row is pre-tokenised. Throws DataError naming the row (a conversation the template
/// refuses, people's text that would become control tokens, an id out of range), with bad_row=error also for the rows
/// that drop would count, and where no row is left; ModelError where messages meet a model without template.
EncodedRows encode_sft(std::span<const SftRow> rows, const text::TextStack* text, const EncodeRowsOptions& options);
/// The completion is everything after the generation prompt: the answer, its end of turn and what the template writes
/// after it. Each answer is cut by itself; the prompt is shared.
EncodedRows encode_pairs(std::span<const PairRow> rows, const text::TextStack* text, const EncodeRowsOptions& options);

}  // namespace afina::datasets
