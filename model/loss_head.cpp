// SPDX-License-Identifier: Apache-2.0
#include "model/loss_head.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/kernels/cpu/table.h"
#include "model/parallel.h"

namespace afina::model {
namespace {

// The order of the additions is the point: see HeadSum::float32.
double sequential_sum(const float* values, int64_t n) {
  float sum = 0.0F;
  for (int64_t i = 0; i < n; ++i)
    sum += values[i];
  return sum;
}

at::Tensor matrix(float* data, int64_t rows, int64_t columns) {
  return at::from_blob(data, {rows, columns}, at::kFloat);
}

}  // namespace

void LossHead::index_rows(std::span<const datasets::Target> targets) {
  std::vector<std::pair<int, int>> order;  // row, target
  order.reserve(targets.size());
  for (size_t i = 0; i < targets.size(); ++i)
    order.emplace_back(targets[i].row, static_cast<int>(i));
  std::sort(order.begin(), order.end());
  rows_.clear();
  for (const auto& [row, target] : order) {
    if (rows_.empty() || rows_.back().row != row) rows_.push_back({row, {}});
    rows_.back().targets.push_back(target);
  }
}

void LossHead::stats_of_row(size_t distinct, float* logits, std::span<const datasets::Target> targets, bool keep,
                            TokenStats& out) {
  const auto& t = kernels::table();
  const int64_t v = model_.config().vocab_size;
  const float top = t.max(logits, v);
  const auto argmax = static_cast<int>(std::find(logits, logits + v, top) - logits);
  const double weighted = options_.want_entropy ? t.sum_exp_weighted(logits, v, top) : 0.0;
  std::vector<float> of_targets;
  for (const int i : rows_[distinct].targets)
    of_targets.push_back(logits[targets[static_cast<size_t>(i)].token]);
  const bool wide = options_.head_sum == HeadSum::wide;
  if (options_.head_sum == HeadSum::log_softmax) {
    const at::Tensor all = at::log_softmax(matrix(logits, 1, v), 1);
    for (const int i : rows_[distinct].targets) {
      const int token = targets[static_cast<size_t>(i)].token;
      out.logp[static_cast<size_t>(i)] = all.const_data_ptr<float>()[token];
      out.correct[static_cast<size_t>(i)] = token == argmax ? 1 : 0;
    }
    return;
  }
  double sum = keep || !wide ? t.exp_sum_wide(logits, v, top) : t.sum_exp(logits, v, top);
  if (!wide) sum = sequential_sum(logits, v);
  const double log_sum = std::log(sum);
  scale_[distinct] = static_cast<float>(1.0 / sum);
  for (size_t j = 0; j < of_targets.size(); ++j) {
    const auto i = static_cast<size_t>(rows_[distinct].targets[j]);
    out.logp[i] = static_cast<double>(of_targets[j]) - static_cast<double>(top) - log_sum;
    out.correct[i] = targets[i].token == argmax ? 1 : 0;
    if (options_.want_entropy) out.entropy[i] = log_sum - weighted / sum;
  }
}

TokenStats LossHead::forward(const at::Tensor& x_ND, std::span<const datasets::Target> targets, bool keep,
                             const FrozenLinear& head) {
  AFINA_CHECK(options_.head_sum != HeadSum::log_softmax || (!keep && !options_.want_entropy),
              "[model.head] log_softmax must serve evaluation without entropy");
  head_ = &head;
  const auto& t = kernels::table();
  const ModelConfig& c = model_.config();
  index_rows(targets);
  const auto n_rows = static_cast<int64_t>(rows_.size());
  TokenStats out;
  out.logp.resize(targets.size());
  out.correct.resize(targets.size());
  if (options_.want_entropy) out.entropy.resize(targets.size());
  rstd_.resize(rows_.size());
  scale_.resize(rows_.size());
  const int64_t chunk_rows = std::min<int64_t>(std::max(1, options_.head_chunk_rows), std::max<int64_t>(1, n_rows));
  float* logits_data = chunk_.get(chunk_rows * c.vocab_size, true);
  float* norm_data = norm_.get(chunk_rows * c.hidden, true);
  float* kept = keep ? kept_.get(n_rows * c.hidden) : nullptr;
  const float* weight = model_.final_norm().const_data_ptr<float>();
  for (int64_t first = 0; first < n_rows; first += chunk_rows) {
    const int64_t m = std::min(chunk_rows, n_rows - first);
    at::Tensor norm_MD = matrix(norm_data, m, c.hidden), logits_MV = matrix(logits_data, m, c.vocab_size);
    for (int64_t i = 0; i < m; ++i) {
      const auto distinct = static_cast<size_t>(first + i);
      rstd_[distinct] = t.rms_forward(x_ND.const_data_ptr<float>() + rows_[distinct].row * x_ND.stride(0), weight,
                                      norm_data + i * c.hidden, c.hidden, static_cast<float>(c.rms_eps));
    }
    head.forward(norm_MD, logits_MV, 0.0F);
    parallel(
        m,
        [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            stats_of_row(static_cast<size_t>(first + i), logits_data + i * c.vocab_size, targets, keep, out);
        },
        worth_a_thread(4 * c.vocab_size));
    if (!keep) continue;
    at::Tensor kept_MD = matrix(kept + first * c.hidden, m, c.hidden);
    head.backward_input(logits_MV, kept_MD, 0.0F);
    for (int64_t i = 0; i < m; ++i)
      t.scale(kept + (first + i) * c.hidden, scale_[static_cast<size_t>(first + i)], c.hidden);
  }
  return out;
}

at::Tensor LossHead::logits(const at::Tensor& x_ND, std::span<const int> rows, const FrozenLinear& head) {
  const ModelConfig& c = model_.config();
  const auto n = static_cast<int64_t>(rows.size());
  at::Tensor norm_MD = at::empty({n, c.hidden}, at::kFloat), logits_MV = at::empty({n, c.vocab_size}, at::kFloat);
  for (int64_t i = 0; i < n; ++i) {
    const int row = rows[static_cast<size_t>(i)];
    AFINA_CHECK(row >= 0 && row < x_ND.size(0), "[model.head] rows must be rows of the batch");
    kernels::table().rms_forward(x_ND.const_data_ptr<float>() + row * x_ND.stride(0),
                                 model_.final_norm().const_data_ptr<float>(), norm_MD.data_ptr<float>() + i * c.hidden,
                                 c.hidden, static_cast<float>(c.rms_eps));
  }
  head.forward(norm_MD, logits_MV, 0.0F);
  return logits_MV;
}

void LossHead::backward(const at::Tensor& x_ND, std::span<const datasets::Target> targets,
                        std::span<const double> dloss_dlogp, at::Tensor& dx_ND) {
  AFINA_CHECK(dloss_dlogp.size() == targets.size(), "[model.head] must get one derivative a target");
  const auto& t = kernels::table();
  const int64_t hidden = model_.config().hidden;
  dx_ND.zero_();
  std::vector<int> tokens;
  for (const RowTargets& row : rows_)
    for (const int i : row.targets)
      tokens.push_back(targets[static_cast<size_t>(i)].token);
  float* w_data = norm_.get(static_cast<int64_t>(tokens.size()) * hidden);
  at::Tensor w_MD = matrix(w_data, static_cast<int64_t>(tokens.size()), hidden);
  head_->gather_rows(tokens, w_MD);
  const float* weight = model_.final_norm().const_data_ptr<float>();
  const float* kept = kept_.get(0);
  size_t next = 0;
  std::vector<float> d_norm(static_cast<size_t>(hidden));
  for (size_t r = 0; r < rows_.size(); ++r) {
    std::fill(d_norm.begin(), d_norm.end(), 0.0F);
    double total = 0;
    for (const int i : rows_[r].targets) {
      const double d = dloss_dlogp[static_cast<size_t>(i)];
      t.axpy(d_norm.data(), w_data + static_cast<int64_t>(next++) * hidden, static_cast<float>(d), hidden);
      total += d;
    }
    t.axpy(d_norm.data(), kept + static_cast<int64_t>(r) * hidden, static_cast<float>(-total), hidden);
    const int64_t row = rows_[r].row;
    t.rms_backward(d_norm.data(), x_ND.const_data_ptr<float>() + row * x_ND.stride(0), weight, rstd_[r],
                   dx_ND.data_ptr<float>() + row * dx_ND.stride(0), hidden);
  }
}

}  // namespace afina::model
