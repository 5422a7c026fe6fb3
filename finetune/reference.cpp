// SPDX-License-Identifier: Apache-2.0
#include "finetune/reference.h"

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/progress.h"
#include "formats/jsonl.h"

namespace afina::finetune {
namespace {

std::vector<double> compute_row(const ReferenceRequest& request, int64_t row) {
  const int64_t alone[] = {row};
  const datasets::PackedBatch batch = request.rows->pack(alone);
  const model::TokenStats stats = request.policy->evaluate(batch, request.with_adapter);
  std::vector<double> sums = dpo::sequence_logps(batch, stats.logp);
  for (const double sum : sums) {
    if (!std::isfinite(sum)) {
      throw ModelError(cat("[finetune.reference] log-probabilities must be finite, but got ", sum, " in ",
                           request.rows->name(row), "."));
    }
  }
  return sums;
}

}  // namespace

dpo::ReferenceLogps ReferenceTable::of(const datasets::PackedBatch& batch) const {
  dpo::ReferenceLogps out;
  out.sequence_logp.reserve(batch.sequences.size());
  for (const auto& sequence : batch.sequences) {
    const auto row = static_cast<size_t>(batch.examples[static_cast<size_t>(sequence.example)].row);
    const auto side = static_cast<size_t>(sequence.side);
    AFINA_CHECK(row < logps_.size() && side < logps_[row].size(), "a reference value for each sequence");
    out.sequence_logp.push_back(logps_[row][side]);
  }
  return out;
}

std::string ReferenceTable::hash() const {
  Sha256 hash;
  for (const auto& row : logps_)
    hash.update(row.data(), row.size() * sizeof(double));
  return hash.finish_hex();
}

ReferenceTable compute_reference(const ReferenceRequest& request, ReferenceCounts* counts) {
  const int64_t n = request.rows->size();
  std::vector<std::vector<double>> logps(static_cast<size_t>(n));
  ReferenceCounts seen;
  Progress progress("reference", static_cast<double>(n), "rows");
  for (int64_t row = 0; row < n; ++row) {
    if (request.stop.stop_requested()) {
      throw Cancelled(cat("[finetune.reference] stopped after ", row, " of ", n, " reference rows."),
                      request.cache != nullptr ? "they are cached: run the same command again" : "");
    }
    const std::string key = sha256_hex(cat(request.reference_key, "\n", request.rows->content_hash(row)));
    std::optional<std::vector<double>> values;
    if (request.cache != nullptr) values = request.cache->find(key);
    if (values) {
      ++seen.cached;
    } else {
      values = compute_row(request, row);
      ++seen.computed;
      if (request.cache != nullptr) request.cache->store(key, *values);
    }
    logps[static_cast<size_t>(row)] = std::move(*values);
    progress.update(static_cast<double>(row + 1));
  }
  if (counts != nullptr) *counts = seen;
  return ReferenceTable(std::move(logps));
}

void write_reference(const std::filesystem::path& path, const TrainingRows& rows, const ReferenceTable& table) {
  std::string out;
  for (int64_t row = 0; row < rows.size(); ++row) {
    const OrderedJson line = {
        {"row", row}, {"content", rows.content_hash(row)}, {"logps", table.rows().at(static_cast<size_t>(row))}};
    out += dump_json(line) + "\n";
  }
  write_file_atomic(path, out);
}

ReferenceTable read_reference(const std::filesystem::path& path, const TrainingRows& rows) {
  formats::JsonlReader reader(path);
  std::vector<std::vector<double>> logps;
  while (const auto line = reader.next()) {
    const auto row = static_cast<int64_t>(logps.size());
    const auto values = line->is_object() ? line->find("logps") : line->end();
    if (row >= rows.size() || !line->is_object() || values == line->end() || !values->is_array() ||
        line->value("content", "") != rows.content_hash(row)) {
      throw DataError(cat("[", reader.where(), "] must be the reference value of row ", row, ", but is not."),
                      "the data is not the one this run began with");
    }
    logps.push_back(values->get<std::vector<double>>());
  }
  if (static_cast<int64_t>(logps.size()) != rows.size()) {
    throw DataError(
        cat("[", path.string(), "] must hold ", rows.size(), " reference rows, but got ", logps.size(), "."));
  }
  return ReferenceTable(std::move(logps));
}

}  // namespace afina::finetune
