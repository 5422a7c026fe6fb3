// SPDX-License-Identifier: Apache-2.0
#include "model/score.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "model/model.h"

namespace afina::model {
namespace {

std::vector<std::pair<int, double>> most_likely(const float* logits, int64_t vocab, int k) {
  std::vector<int> order(static_cast<size_t>(vocab));
  std::iota(order.begin(), order.end(), 0);
  const auto more_likely = [logits](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::partial_sort(order.begin(), order.begin() + k, order.end(), more_likely);
  const double top = logits[order[0]];
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i)
    sum += std::exp(static_cast<double>(logits[i]) - top);
  std::vector<std::pair<int, double>> out;
  for (int i = 0; i < k; ++i) {
    const int id = order[static_cast<size_t>(i)];
    out.emplace_back(id, static_cast<double>(logits[id]) - top - std::log(sum));
  }
  return out;
}

void append(datasets::PackedBatch& batch, const std::vector<int>& ids) {
  const auto begin = static_cast<int>(batch.rows()), length = static_cast<int>(ids.size());
  const auto sequence = static_cast<int>(batch.sequences.size());
  batch.segments.push_back({begin, length, 0, 0});
  batch.examples.push_back({sequence, sequence, 1});
  batch.sequences.push_back({sequence, 0, static_cast<int>(batch.targets.size()), length - 1});
  for (int i = 0; i < length; ++i) {
    batch.ids.push_back(ids[static_cast<size_t>(i)]);
    batch.positions.push_back(i);
    if (i + 1 < length) batch.targets.push_back({begin + i, ids[static_cast<size_t>(i) + 1], sequence, 1.0F});
  }
}

void check_ids(const std::vector<int>& ids, const ModelConfig& c) {
  if (ids.empty()) throw DataError("[score] ids must have at least one id, but are empty.");
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= c.vocab_size)
      throw DataError(cat("[score] ids must be 0..", c.vocab_size - 1, ", but ids[", i, "] is ", ids[i], "."));
  if (static_cast<int64_t>(ids.size()) > c.row_limit())
    throw DataError(cat("[score] ids must fit into ", c.row_limit_reason(), ", but there are ", ids.size(), "."));
}

/// Rows [first, last) in one pass.
void score_packed(TrainingModel& model, std::span<const std::vector<int>> rows, const Adapter* adapter, int top_k,
                  std::span<Scores> out) {
  datasets::PackedBatch batch;
  std::vector<int> last_rows;
  for (const auto& ids : rows) {
    append(batch, ids);
    if (top_k > 0) last_rows.push_back(static_cast<int>(batch.rows()) - 1);
  }
  const auto [stats, logits_RV] = model.evaluate(batch, last_rows, adapter);
  size_t next = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto begin = stats.logp.begin() + static_cast<int64_t>(next);
    out[r].logprobs.assign(begin, begin + static_cast<int64_t>(rows[r].size()) - 1);
    next += rows[r].size() - 1;
    if (top_k > 0)
      out[r].top = most_likely(logits_RV.const_data_ptr<float>() + static_cast<int64_t>(r) * logits_RV.stride(0),
                               logits_RV.size(1), top_k);
  }
}

}  // namespace

std::vector<Scores> score(TrainingModel& model, std::span<const std::vector<int>> rows, const Adapter* adapter,
                          int top_k, int64_t max_rows) {
  const int64_t vocab = model.model().config().vocab_size;
  if (top_k < 0 || top_k > vocab) throw UsageError(cat("[score] top must be 0..", vocab, ", but got ", top_k, "."));
  for (const auto& ids : rows)
    check_ids(ids, model.model().config());
  std::vector<Scores> out(rows.size());
  for (size_t first = 0; first < rows.size();) {
    size_t end = first;
    int64_t packed = 0;
    while (end < rows.size() && (end == first || packed + static_cast<int64_t>(rows[end].size()) <= max_rows))
      packed += static_cast<int64_t>(rows[end++].size());
    score_packed(model, rows.subspan(first, end - first), adapter, top_k, std::span(out).subspan(first, end - first));
    first = end;
  }
  return out;
}

Scores score(TrainingModel& model, std::span<const int> ids, const Adapter* adapter, int top_k) {
  const std::vector<int> row(ids.begin(), ids.end());
  return std::move(score(model, {&row, 1}, adapter, top_k)[0]);
}

}  // namespace afina::model
