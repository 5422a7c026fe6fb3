// SPDX-License-Identifier: Apache-2.0
// An encoded data set of datasets/ behind the interface of the batch source, and the run's options for turning rows
// into ids, with or without the cache of ids.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "datasets/encode.h"
#include "finetune/batch_source.h"
#include "finetune/row_source.h"

namespace afina::finetune {

class EncodedTrainingRows final : public TrainingRows {
 public:
  explicit EncodedTrainingRows(datasets::EncodedRows rows) : rows_(std::move(rows)) {}
  int64_t size() const override { return rows_.size(); }
  int64_t tokens(int64_t row) const override { return rows_.tokens(row); }
  int64_t prompt_tokens(int64_t row) const override { return rows_.prompt_tokens(row); }
  uint64_t prompt_key(int64_t row) const override { return rows_.prompt_key(row); }
  RowGroups groups() const override;
  datasets::PackedBatch pack(std::span<const int64_t> rows) const override { return rows_.pack(rows); }
  std::string content_hash(int64_t row) const override { return rows_.content_hash(row); }
  std::string name(int64_t row) const override { return rows_.name(row); }
  Json lineage(int64_t row) const override { return rows_.lineage(row); }
  std::string data_hash() const override { return rows_.data_hash(); }
  const datasets::EncodeReport& report() const { return rows_.report(); }
  const datasets::EncodedRows& encoded() const { return rows_; }

 private:
  datasets::EncodedRows rows_;
};

/// How a run turns rows into ids.
struct EncodeRequest {
  RunKind kind = RunKind::sft;
  const RunConfig* config = nullptr;
  datasets::TextSource text;    ///< called for the first row of text, and never where a cache has the ids
  std::string text_identity;    ///< text_identity() of the model; empty where all rows are ids
  int vocab_size = 0;           ///< bounds the ids of pre-tokenised rows
  int64_t context = 0;          ///< the model's longest sequence; bounds long_rows=keep
  bool held_out = false;        ///< rows of an evaluation: micro-batches in the file's order
  std::filesystem::path cache;  ///< folder of the cache of ids; empty, or tokenized_cache=false: none
};
/// The run's options as datasets/ takes them.
datasets::EncodeRowsOptions encode_options(const EncodeRequest& request);
/// cached, where not null: whether the ids came from the cache. Throws as datasets::encode_stream().
datasets::EncodedRows encode_rows(const RowSource& source, const EncodeRequest& request, bool* cached = nullptr);
/// SFT rows, pairs, rankings, or unpaired rows without borrowed answers; without cache. text may be null where has_text
/// is false.
datasets::EncodedRows encode_rows(const SourceRows& rows, const text::TextStack* text, const RunConfig& config,
                                  int vocab_size);
}  // namespace afina::finetune
