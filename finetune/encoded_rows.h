// SPDX-License-Identifier: Apache-2.0
// An encoded data set of datasets/ behind the interface of the batch source, and the run's options for encoding it.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "datasets/encode.h"
#include "finetune/batch_source.h"

namespace afina::finetune {

class EncodedTrainingRows final : public TrainingRows {
 public:
  explicit EncodedTrainingRows(datasets::EncodedRows rows) : rows_(std::move(rows)) {}
  int64_t size() const override { return rows_.size(); }
  int64_t tokens(int64_t row) const override { return rows_.tokens(row); }
  datasets::PackedBatch pack(std::span<const int64_t> rows) const override { return rows_.pack(rows); }
  std::string content_hash(int64_t row) const override { return rows_.content_hash(row); }
  std::string name(int64_t row) const override { return rows_.name(row); }
  Json lineage(int64_t row) const override { return rows_.lineage(row); }
  std::string data_hash() const override { return rows_.data_hash(); }
  const datasets::EncodeReport& report() const { return rows_.report(); }

 private:
  datasets::EncodedRows rows_;
};

/// Rows as they were read: SFT rows of `afina sft`, pairs of `afina dpo`.
using SourceRows = std::variant<std::vector<datasets::SftRow>, std::vector<datasets::PairRow>>;

/// Reads a JSONL file in the form that the kind trains on. Throws as read_sft_rows and read_pair_rows.
SourceRows read_rows(RunKind kind, const std::filesystem::path& file);
/// True where a tokenizer is needed: some row holds text instead of ids.
bool has_text(const SourceRows& rows);
/// text may be null where has_text is false. vocab_size bounds the ids of pre-tokenised rows.
datasets::EncodedRows encode_rows(const SourceRows& rows, const text::TextStack* text, const RunConfig& config,
                                  int vocab_size);

}  // namespace afina::finetune
