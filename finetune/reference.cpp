// SPDX-License-Identifier: Apache-2.0
#include "finetune/reference.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/hash.h"
#include "base/progress.h"
#include "formats/jsonl.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;

/// The policy has the parameters of step 0 as long as this lives.
class AtStart {
 public:
  AtStart(Policy& policy, std::vector<float>& start_P) : policy_(policy), start_P_(start_P) { swap(); }
  ~AtStart() { swap(); }
  AtStart(const AtStart&) = delete;
  AtStart& operator=(const AtStart&) = delete;

 private:
  void swap() {
    std::swap_ranges(start_P_.begin(), start_P_.end(), policy_.parameters().data_ptr<float>());
    policy_.parameters_changed();
  }
  Policy& policy_;
  std::vector<float>& start_P_;
};

/// A process that was killed may have left half a line, which was never relied on.
void cut_unfinished_line(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const size_t end = bytes.rfind('\n');
  const size_t whole = end == std::string::npos ? 0 : end + 1;
  if (whole != bytes.size()) fs::resize_file(file, whole);
}

}  // namespace

ReferenceTable::ReferenceTable(ReferenceRequest request)
    : request_(std::move(request)), logps_(static_cast<size_t>(request_.rows->size())) {
  if (request_.with_adapter) {
    const at::Tensor& now_P = request_.policy->parameters();
    start_P_.assign(now_P.data_ptr<float>(), now_P.data_ptr<float>() + now_P.numel());
  }
  if (request_.file.empty()) return;
  if (fs::exists(request_.file)) read_file();
  out_.open(request_.file, std::ios::binary | std::ios::app);
  if (!out_) throw StorageError(cat("[", request_.file.string(), "] must be a file to write, but is not."));
}

void ReferenceTable::read_file() {
  cut_unfinished_line(request_.file);
  formats::JsonlReader reader(request_.file);
  while (const auto line = reader.next()) {
    const auto wrong = [&] {
      return DataError(cat("[", reader.where(), "] must be a reference value of these rows, but is not."),
                       "the data is not the one this run began with");
    };
    if (!line->is_object() || !line->contains("row") || !(*line)["row"].is_number_integer()) throw wrong();
    const auto row = (*line)["row"].get<int64_t>();
    const auto values = line->find("logps");
    if (row < 0 || row >= request_.rows->size() || values == line->end() || !values->is_array() || values->empty() ||
        line->value("content", "") != request_.rows->content_hash(row)) {
      throw wrong();
    }
    logps_[static_cast<size_t>(row)] = values->get<std::vector<double>>();
  }
}

std::vector<double> ReferenceTable::compute(int64_t row) {
  const int64_t alone[] = {row};
  const datasets::PackedBatch batch = request_.rows->pack(alone);
  std::optional<AtStart> at_start;
  if (request_.with_adapter) at_start.emplace(*request_.policy, start_P_);
  const model::TokenStats stats = request_.policy->evaluate(batch, request_.with_adapter);
  std::vector<double> sums = dpo::sequence_logps(batch, stats.logp);
  for (const double sum : sums) {
    if (!std::isfinite(sum)) {
      throw ModelError(cat("[finetune.reference] log-probabilities must be finite, but got ", sum, " in ",
                           request_.rows->name(row), "."));
    }
  }
  return sums;
}

const std::vector<double>& ReferenceTable::value(int64_t row) {
  std::vector<double>& values = logps_.at(static_cast<size_t>(row));
  if (!values.empty()) return values;
  const std::string key = sha256_hex(cat(request_.reference_key, "\n", request_.rows->content_hash(row)));
  if (request_.cache != nullptr) {
    if (auto found = request_.cache->find(key)) values = std::move(*found);
  }
  if (!values.empty()) {
    ++counts_.cached;
  } else {
    values = compute(row);
    ++counts_.computed;
    if (request_.cache != nullptr) request_.cache->store(key, values);
  }
  keep(row);
  return values;
}

void ReferenceTable::keep(int64_t row) {
  if (!out_.is_open()) return;
  const OrderedJson line = {{"row", row}, {"content", request_.rows->content_hash(row)}, {"logps", this->row(row)}};
  out_ << dump_json(line) + "\n" << std::flush;
  if (!out_) throw StorageError(cat("[", request_.file.string(), "] must take reference values, but cannot."));
}

dpo::ReferenceLogps ReferenceTable::of(const datasets::PackedBatch& batch) {
  dpo::ReferenceLogps out;
  out.sequence_logp.reserve(batch.sequences.size());
  for (const auto& sequence : batch.sequences) {
    const auto& values = value(batch.examples[static_cast<size_t>(sequence.example)].row);
    const auto side = static_cast<size_t>(sequence.side);
    AFINA_CHECK(side < values.size(), "a reference value for each sequence");
    out.sequence_logp.push_back(values[side]);
  }
  return out;
}

void ReferenceTable::compute_all(const std::stop_token& stop) {
  const int64_t n = request_.rows->size();
  Progress progress("reference", static_cast<double>(n), "rows");
  for (int64_t row = 0; row < n; ++row) {
    if (stop.stop_requested()) {
      throw Cancelled(cat("[finetune.reference] stopped after ", row, " of ", n, " reference rows."),
                      request_.cache != nullptr ? "they are cached: run the same command again" : "");
    }
    value(row);
    progress.update(static_cast<double>(row + 1));
  }
}

std::string ReferenceTable::identity() const {
  return sha256_hex(cat(request_.reference_key, "\n", request_.rows->data_hash()));
}

}  // namespace afina::finetune
