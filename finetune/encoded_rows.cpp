// SPDX-License-Identifier: Apache-2.0
#include "finetune/encoded_rows.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/progress.h"
#include "datasets/token_cache.h"

namespace afina::finetune {
namespace {

datasets::LongRow long_row(LongRows rule) {
  switch (rule) {
    case LongRows::cut:
      return datasets::LongRow::cut;
    case LongRows::keep:
      return datasets::LongRow::keep;
    case LongRows::drop:
      return datasets::LongRow::drop;
    case LongRows::error:
      return datasets::LongRow::error;
  }
  return datasets::LongRow::cut;
}

datasets::Pieces pieces(const EncodeRequest& request) {
  const RunConfig& config = *request.config;
  if (request.kind != RunKind::sft || !config.packing) return datasets::Pieces::none;
  switch (config.packing_strategy) {
    case PackingStrategy::bfd:
      return datasets::Pieces::none;
    case PackingStrategy::bfd_split:
      return datasets::Pieces::split;
    case PackingStrategy::wrapped:
      return datasets::Pieces::wrapped;
  }
  return datasets::Pieces::none;
}

// KTO: which rows borrow each other's answers. Held-out rows in their own order, trained ones in one drawn from the
// seed.
void pair_mismatched(datasets::EncodedRows& rows, const EncodeRequest& request) {
  const RunConfig& config = *request.config;
  std::vector<int64_t> order(static_cast<size_t>(rows.size()));
  std::iota(order.begin(), order.end(), 0);
  if (config.shuffle && !request.held_out) order = epoch_order(rows.size(), static_cast<uint64_t>(config.seed), 0);
  rows.pair_mismatched(std::move(order), config.per_device_train_batch_size, config.max_length);
}

bool borrows_answers(const EncodeRequest& request) {
  const auto& losses = request.config->loss_type;
  return request.kind == RunKind::kto &&
         (losses.empty() || std::find(losses.begin(), losses.end(), "kto") != losses.end());
}

/// Small sets are done before anybody could read a line.
datasets::RowStream with_progress(datasets::RowStream rows) {
  constexpr int64_t kQuiet = 256;
  auto progress = std::make_shared<Progress>("turning into ids:", 0, "rows");
  auto done = std::make_shared<int64_t>(0);
  return [rows = std::move(rows), progress, done] {
    if (++*done > kQuiet) progress->update(static_cast<double>(*done));
    return rows();
  };
}

}  // namespace

RowGroups EncodedTrainingRows::groups() const {
  const datasets::Mismatch* mismatch = rows_.mismatch();
  return mismatch == nullptr ? RowGroups{} : RowGroups{mismatch->order, mismatch->size};
}

datasets::EncodeRowsOptions encode_options(const EncodeRequest& request) {
  const RunConfig& config = *request.config;
  datasets::EncodeRowsOptions options;
  options.max_length = config.max_length;
  options.bad_row = config.bad_rows == BadRows::error ? datasets::BadRow::error : datasets::BadRow::drop;
  options.long_row = long_row(config.long_rows);
  options.context = request.context;
  options.pieces = pieces(request);
  options.labels.mode = config.label_mode == LabelMode::hard ? datasets::LabelMode::hard : datasets::LabelMode::soft;
  options.labels.margin_scale = config.margin_scale;
  options.assistant_only_loss = config.assistant_only_loss;
  options.completion_only_loss = config.completion_only_loss;
  if (request.kind == RunKind::dpo) options.ld_alpha = config.ld_alpha;
  options.score = request.kind == RunKind::reward;
  options.train_prompt = request.kind == RunKind::orpo && config.nll_on_prompt;
  options.unpair = request.kind == RunKind::kto || request.kind == RunKind::bco;
  options.vocab_size = request.vocab_size;
  return options;
}

datasets::EncodedRows encode_rows(const RowSource& source, const EncodeRequest& request, bool* cached) {
  AFINA_CHECK(request.config != nullptr, "a run's config");
  const datasets::EncodeRowsOptions options = encode_options(request);
  const auto build = [&](datasets::TokenRecordsWriter& out) {
    return datasets::encode_stream(with_progress(source.open()), request.text, options, out);
  };
  const bool use_cache = !request.cache.empty() && request.config->tokenized_cache && !source.identity.empty();
  if (cached != nullptr) *cached = false;
  std::optional<datasets::EncodedRows> rows;
  if (use_cache) {
    const datasets::TokenCacheKey key{source.identity, request.text_identity,
                                      cat(to_string(request.kind), " ", to_string(options))};
    rows = datasets::cached_rows(request.cache, key, build, cached);
  } else {
    datasets::TokenRecordsWriter memory;
    rows = build(memory);
  }
  if (borrows_answers(request)) pair_mismatched(*rows, request);
  return std::move(*rows);
}

datasets::EncodedRows encode_rows(const SourceRows& rows, const text::TextStack* text, const RunConfig& config,
                                  int vocab_size) {
  const RunKind kind = std::holds_alternative<std::vector<datasets::SftRow>>(rows)        ? RunKind::sft
                       : std::holds_alternative<std::vector<datasets::UnpairedRow>>(rows) ? RunKind::bco
                                                                                          : RunKind::dpo;
  EncodeRequest request;
  request.kind = kind;
  request.config = &config;
  request.text = [text] { return text; };
  request.vocab_size = vocab_size;
  return encode_rows(list_source(rows, ""), request);
}

}  // namespace afina::finetune
