// SPDX-License-Identifier: Apache-2.0
#include "finetune/encoded_rows.h"

#include <algorithm>

namespace afina::finetune {
namespace {

datasets::EncodeRowsOptions encode_options(const RunConfig& config, int vocab_size) {
  datasets::EncodeRowsOptions options;
  options.max_length = config.max_length;
  options.bad_row = config.bad_rows == BadRows::error ? datasets::BadRow::error : datasets::BadRow::drop;
  options.labels.mode = config.label_mode == LabelMode::hard ? datasets::LabelMode::hard : datasets::LabelMode::soft;
  options.labels.margin_scale = config.margin_scale;
  options.vocab_size = vocab_size;
  return options;
}

}  // namespace

SourceRows read_rows(RunKind kind, const std::filesystem::path& file) {
  if (kind == RunKind::sft) return datasets::read_sft_rows(file);
  return datasets::read_pair_rows(file);
}

bool has_text(const SourceRows& rows) {
  if (const auto* sft = std::get_if<std::vector<datasets::SftRow>>(&rows)) {
    return std::any_of(sft->begin(), sft->end(),
                       [](const auto& row) { return !std::holds_alternative<datasets::TokenForm>(row.form); });
  }
  const auto& pairs = std::get<std::vector<datasets::PairRow>>(rows);
  return std::any_of(pairs.begin(), pairs.end(),
                     [](const auto& row) { return !std::holds_alternative<datasets::PairTokens>(row.form); });
}

datasets::EncodedRows encode_rows(const SourceRows& rows, const text::TextStack* text, const RunConfig& config,
                                  int vocab_size) {
  const auto options = encode_options(config, vocab_size);
  if (const auto* sft = std::get_if<std::vector<datasets::SftRow>>(&rows))
    return datasets::encode_sft(*sft, text, options);
  return datasets::encode_pairs(std::get<std::vector<datasets::PairRow>>(rows), text, options);
}

}  // namespace afina::finetune
