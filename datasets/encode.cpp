// SPDX-License-Identifier: Apache-2.0
#include "datasets/encode.h"

#include <algorithm>

#include "base/error.h"
#include "datasets/row_encoder.h"

namespace afina::datasets {
namespace {

template <typename Row>
EncodedRows encode(std::span<const Row> rows, const text::TextStack* text, const EncodeRowsOptions& options) {
  TokenRecordsWriter memory;
  RowEncoder encoder([text] { return text; }, options, memory);
  for (const Row& row : rows)
    encoder.add(row);
  return encoder.finish();
}

}  // namespace

std::string to_string(const EncodeRowsOptions& o) {
  return cat("max_length=", o.max_length, " bad_row=", static_cast<int>(o.bad_row),
             " long_row=", static_cast<int>(o.long_row), " context=", o.context, " pieces=", static_cast<int>(o.pieces),
             " label_mode=", static_cast<int>(o.labels.mode), " margin_scale=", dump_json(Json(o.labels.margin_scale)),
             " assistant_only=", o.assistant_only_loss, " completion_only=", o.completion_only_loss,
             " ld_alpha=", dump_json(Json(o.ld_alpha)), " score=", o.score, " train_prompt=", o.train_prompt,
             " unpair=", o.unpair, " parse_special=", o.parse_special, " vocab_size=", o.vocab_size);
}

int64_t EncodedRows::borrowed_tokens(int64_t row) const {
  const TokenIndexEntry lender = records_->entry(mismatch_->partner[static_cast<size_t>(row)]);
  // At least one: the prompt of a row that is kept whole may fill max_length.
  const int64_t room = std::max<int64_t>(max_length_ - prompt_tokens(row), 1);
  return std::min<int64_t>(lender.tokens - lender.prompt_tokens, room);
}

int64_t EncodedRows::tokens(int64_t row) const {
  return records_->entry(row).tokens + (mismatch_ ? borrowed_tokens(row) : 0);
}

TokenExample EncodedRows::example(int64_t row) const {
  TokenExample example = records_->record(row).example;
  if (!mismatch_) return example;
  TokenSequence borrowed = records_->record(mismatch_->partner[static_cast<size_t>(row)]).example.sequences.at(0);
  borrowed.ids.resize(static_cast<size_t>(borrowed_tokens(row)));
  borrowed.weights.resize(borrowed.ids.size());
  example.sequences.push_back(std::move(borrowed));
  return example;
}

PackedBatch EncodedRows::pack(std::span<const int64_t> rows) const {
  BatchPacker packer;
  for (const int64_t row : rows)
    packer.add(example(row), row);
  return packer.take();
}

Json EncodedRows::lineage(int64_t row) const {
  const TokenRecord record = records_->record(row);
  return {{"where", record.name}, {"preference_ids", record.preference_ids}};
}

void EncodedRows::pair_mismatched(std::vector<int64_t> order, int64_t micro_batch, int64_t max_length) {
  if (micro_batch < 2) {
    throw UsageError(cat("[datasets.encode] must have micro-batches of 2 rows or more to borrow answers from, but got ",
                         micro_batch, "."),
                     "KTO compares each row with another one of its micro-batch: raise per_device_train_batch_size");
  }
  Mismatch mismatch{std::move(order), micro_batch, std::vector<int64_t>(static_cast<size_t>(size()), -1)};
  const auto n = static_cast<int64_t>(mismatch.order.size());
  AFINA_CHECK(n == size(), "an order of all rows");
  for (int64_t first = 0; first < n; first += micro_batch) {
    const int64_t last = std::min(first + micro_batch, n) - 1;
    for (int64_t i = first; i <= last; ++i) {
      const int64_t row = mismatch.order[static_cast<size_t>(i)];
      AFINA_CHECK(row >= 0 && row < n && mismatch.partner[static_cast<size_t>(row)] < 0, "each row once in an order");
      mismatch.partner[static_cast<size_t>(row)] = mismatch.order[static_cast<size_t>(i == first ? last : i - 1)];
    }
  }
  max_length_ = max_length;
  mismatch_ = std::move(mismatch);
}

EncodedRows encode_stream(const RowStream& rows, const TextSource& text, const EncodeRowsOptions& options,
                          TokenRecordsWriter& out) {
  RowEncoder encoder(text, options, out);
  while (const auto row = rows())
    std::visit([&](const auto& one) { encoder.add(one); }, *row);
  return encoder.finish();
}

EncodedRows encode_sft(std::span<const SftRow> rows, const text::TextStack* text, const EncodeRowsOptions& options) {
  return encode(rows, text, options);
}

EncodedRows encode_pairs(std::span<const PairRow> rows, const text::TextStack* text, const EncodeRowsOptions& options) {
  return encode(rows, text, options);
}

EncodedRows encode_unpaired(std::span<const UnpairedRow> rows, const text::TextStack* text,
                            const EncodeRowsOptions& options) {
  return encode(rows, text, options);
}

EncodedRows encode_rankings(std::span<const RankingRow> rows, const text::TextStack* text,
                            const EncodeRowsOptions& options) {
  return encode(rows, text, options);
}

}  // namespace afina::datasets
