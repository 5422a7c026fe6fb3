// SPDX-License-Identifier: Apache-2.0
#include "datasets/encode.h"

#include "base/error.h"
#include "base/hash.h"
#include "datasets/row_encoder.h"

namespace afina::datasets {
namespace {

template <typename Row>
EncodedRows encode(std::span<const Row> rows, const text::TextStack* text, const EncodeRowsOptions& options) {
  RowEncoder encoder(text, options);
  for (const Row& row : rows)
    encoder.add(row);
  return encoder.finish();
}

}  // namespace

std::string EncodeReport::summary() const {
  std::string out = cat(kept, " of ", rows, " rows kept");
  const auto add = [&](int64_t count, const char* what) {
    if (count > 0) out += cat("; ", count, " ", what);
  };
  add(long_prompts, "dropped: the prompt alone fills max_length");
  add(without_targets, "dropped: nothing to train");
  add(ties, "dropped: exact ties under label_mode=hard");
  add(truncated, "cut at max_length");
  add(merged_boundaries, "with a token across the end of the prompt");
  return out;
}

PackedBatch EncodedRows::pack(std::span<const int64_t> rows) const {
  BatchPacker packer;
  for (const int64_t row : rows)
    packer.add(example(row), row);
  return packer.take();
}

Json EncodedRows::lineage(int64_t row) const {
  return {{"where", name(row)}, {"preference_ids", preference_ids_.at(static_cast<size_t>(row))}};
}

std::string EncodedRows::data_hash() const {
  Sha256 sha;
  for (const TokenExample& example : examples_) {
    sha.update(datasets::content_hash(example));
    const double label[] = {example.soft_label, example.margin, example.weight};
    sha.update(label, sizeof label);
  }
  return sha.finish_hex();
}

EncodedRows encode_sft(std::span<const SftRow> rows, const text::TextStack* text, const EncodeRowsOptions& options) {
  return encode(rows, text, options);
}

EncodedRows encode_pairs(std::span<const PairRow> rows, const text::TextStack* text, const EncodeRowsOptions& options) {
  return encode(rows, text, options);
}

}  // namespace afina::datasets
