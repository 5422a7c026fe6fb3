// SPDX-License-Identifier: Apache-2.0
// The loss head's part of CpuCompute: statistics of logits and the gradient through the final norm, row by row.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "model/cpu_compute.h"
#include "model/cpu_rows.h"
#include "model/kernels/cpu/table.h"

namespace afina::model {
namespace {

constexpr int64_t kSumBlock = 256;  // floats added in fp32 before doubles take over

// The order of the additions is the point: see HeadSum::float32.
double sequential_sum(const float* values, int64_t n) {
  float sum = 0.0F;
  for (int64_t i = 0; i < n; ++i)
    sum += values[i];
  return sum;
}

double sum_of_squares(const float* values, int64_t n) {
  const auto& t = kernels::table();
  double sum = 0;
  for (int64_t i = 0; i < n; i += kSumBlock)
    sum += static_cast<double>(t.dot(values + i, values + i, std::min(kSumBlock, n - i)));
  return sum;
}

/// One row of logits and its targets.
struct RowView {
  float* logits;
  int64_t n;
  std::span<const int> target, token;
};

/// Peers' fp32 log_softmax; logits unchanged.
void peer_statistics(const RowView& r, int argmax, const HeadWork& work, TokenStats& out) {
  const at::Tensor all_V = at::log_softmax(at::from_blob(r.logits, {1, r.n}, at::kFloat), 1).view({r.n});
  const double sum_p2 = work.sum_p2 ? std::log((all_V.to(at::kDouble) * 2).exp().sum().item<double>()) : 0.0;
  for (size_t j = 0; j < r.target.size(); ++j) {
    const auto i = static_cast<size_t>(r.target[j]);
    out.logp[i] = all_V.const_data_ptr<float>()[r.token[j]];
    out.correct[i] = r.token[j] == argmax ? 1 : 0;
    if (work.sum_p2) out.log_sum_p2[i] = sum_p2;
  }
}

/// Returns 1 / Σ exp(z − max z).
float row_statistics(const RowView& r, const HeadWork& work, TokenStats& out) {
  const auto& t = kernels::table();
  const float top = t.max(r.logits, r.n);
  const auto argmax = static_cast<int>(std::find(r.logits, r.logits + r.n, top) - r.logits);
  if (work.sum == HeadSum::log_softmax) {
    peer_statistics(r, argmax, work, out);
    return 0.0F;
  }
  const double weighted = work.entropy ? t.sum_exp_weighted(r.logits, r.n, top) : 0.0;
  for (size_t j = 0; j < r.target.size(); ++j)
    out.logp[static_cast<size_t>(r.target[j])] = static_cast<double>(r.logits[r.token[j]]);
  const bool wide = work.sum == HeadSum::wide, in_place = work.keep || work.sum_p2 || !wide;
  double sum = in_place ? t.exp_sum_wide(r.logits, r.n, top) : t.sum_exp(r.logits, r.n, top);
  if (!wide) sum = sequential_sum(r.logits, r.n);
  const double log_sum = std::log(sum);
  const double sum_p2 = work.sum_p2 ? std::log(sum_of_squares(r.logits, r.n)) - 2 * log_sum : 0.0;
  for (size_t j = 0; j < r.target.size(); ++j) {
    const auto i = static_cast<size_t>(r.target[j]);
    out.logp[i] = out.logp[i] - static_cast<double>(top) - log_sum;
    out.correct[i] = r.token[j] == argmax ? 1 : 0;
    if (work.entropy) out.entropy[i] = log_sum - weighted / sum;
    if (work.sum_p2) out.log_sum_p2[i] = sum_p2;
  }
  return static_cast<float>(1.0 / sum);
}

CpuBatch& of_cpu(PreparedBatch& batch) {
  return static_cast<CpuBatch&>(batch);
}

void size_stats(TokenStats& stats, size_t targets, const HeadWork& work) {
  stats.logp.resize(targets);
  stats.correct.resize(targets);
  stats.entropy.resize(work.entropy ? targets : 0);
  stats.log_sum_p2.resize(work.sum_p2 ? targets : 0);
}

}  // namespace

void CpuCompute::norm_target_rows(const PreparedBatch& batch, int64_t first, const at::Tensor& x_ND,
                                  const at::Tensor& w_D, at::Tensor& y_MD, at::Tensor& rstd_R) {
  const auto& t = kernels::table();
  const float* w = w_D.const_data_ptr<float>();
  float* rstd = rstd_R.data_ptr<float>() + first;
  const int* rows = batch.index.row.data() + first;
  for_rows(y_MD.size(0), y_MD.size(1),
           [&](int64_t i) { rstd[i] = t.rms_forward(row(x_ND, rows[i]), w, row(y_MD, i), y_MD.size(1), eps_); });
}

void CpuCompute::head_statistics(PreparedBatch& batch, int64_t first, const HeadWork& work, at::Tensor& logits_MV,
                                 at::Tensor& scale_R) {
  CpuBatch& b = of_cpu(batch);
  const TargetIndex& index = b.index;
  size_stats(b.stats, index.target.size(), work);
  float* scale = scale_R.data_ptr<float>() + first;
  for_rows(logits_MV.size(0), logits_MV.size(1), [&](int64_t i) {
    const auto begin = static_cast<size_t>(index.begin[static_cast<size_t>(first + i)]),
               count = static_cast<size_t>(index.begin[static_cast<size_t>(first + i + 1)]) - begin;
    const RowView r{row(logits_MV, i), logits_MV.size(1), std::span(index.target).subspan(begin, count),
                    std::span(index.token).subspan(begin, count)};
    scale[i] = row_statistics(r, work, b.stats);
  });
}

void CpuCompute::scale_rows(const at::Tensor& factor_M, at::Tensor& y_MD) {
  const auto& t = kernels::table();
  const float* factor = factor_M.const_data_ptr<float>();
  for_rows(y_MD.size(0), y_MD.size(1), [&](int64_t i) { t.scale(row(y_MD, i), factor[i], y_MD.size(1)); });
}

TokenStats CpuCompute::read_stats(PreparedBatch& batch, const HeadWork& work) {
  CpuBatch& b = of_cpu(batch);
  size_stats(b.stats, b.index.target.size(), work);
  return std::move(b.stats);
}

void CpuCompute::set_derivatives(PreparedBatch& batch, std::span<const double> dloss_dlogp) {
  of_cpu(batch).derivatives.assign(dloss_dlogp.begin(), dloss_dlogp.end());
}

void CpuCompute::head_gradient(const PreparedBatch& batch, int64_t first, at::Tensor& w_y_TD, const at::Tensor& kept_MD,
                               const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_R,
                               at::Tensor& dx_ND) {
  const auto& t = kernels::table();
  const auto& b = static_cast<const CpuBatch&>(batch);
  const TargetIndex& index = b.index;
  const int64_t width = dx_ND.size(1), first_target = index.begin[static_cast<size_t>(first)];
  const float *w = w_D.const_data_ptr<float>(), *rstd = rstd_R.const_data_ptr<float>();
  for_rows(kept_MD.size(0), 4 * width, [&](int64_t i) {
    const auto r = static_cast<size_t>(first + i);
    float* d_norm = row(w_y_TD, index.begin[r] - first_target);
    double total = 0;
    for (int j = index.begin[r]; j < index.begin[r + 1]; ++j) {
      const double d = b.derivatives[static_cast<size_t>(index.target[static_cast<size_t>(j)])];
      total += d;
      if (j == index.begin[r])
        t.scale(d_norm, static_cast<float>(d), width);
      else
        t.axpy(d_norm, row(w_y_TD, j - first_target), static_cast<float>(d), width);
    }
    t.axpy(d_norm, row(kept_MD, i), static_cast<float>(-total), width);
    t.rms_backward(d_norm, row(x_ND, index.row[r]), w, rstd[r], row(dx_ND, index.row[r]), width);
  });
}

void CpuCompute::score_rows(PreparedBatch& batch, int64_t first, const at::Tensor& score_D, const at::Tensor& y_MD) {
  CpuBatch& b = of_cpu(batch);
  size_stats(b.stats, b.index.target.size(), {});
  const float* score = score_D.const_data_ptr<float>();
  const int64_t width = y_MD.size(1);
  for_rows(y_MD.size(0), width, [&](int64_t i) {
    double sum = 0;
    for (int64_t d = 0; d < width; ++d)
      sum += static_cast<double>(score[d]) * static_cast<double>(row(y_MD, i)[d]);
    const auto r = static_cast<size_t>(first + i);
    for (int j = b.index.begin[r]; j < b.index.begin[r + 1]; ++j)
      b.stats.logp[static_cast<size_t>(b.index.target[static_cast<size_t>(j)])] = sum;
  });
}

void CpuCompute::score_gradient(const PreparedBatch& batch, int64_t first, const at::Tensor& score_D, at::Tensor& y_MD,
                                const at::Tensor& x_ND, const at::Tensor& w_D, const at::Tensor& rstd_R,
                                at::Tensor& d_score_D, at::Tensor& dx_ND) {
  const auto& t = kernels::table();
  const auto& b = static_cast<const CpuBatch&>(batch);
  const TargetIndex& index = b.index;
  const int64_t width = y_MD.size(1);
  const float *w = w_D.const_data_ptr<float>(), *rstd = rstd_R.const_data_ptr<float>(),
              *score = score_D.const_data_ptr<float>();
  // One after the other: the order of the additions to d_score is part of the result.
  for (int64_t i = 0; i < y_MD.size(0); ++i) {
    const auto r = static_cast<size_t>(first + i);
    double total = 0;
    for (int j = index.begin[r]; j < index.begin[r + 1]; ++j)
      total += b.derivatives[static_cast<size_t>(index.target[static_cast<size_t>(j)])];
    float* y = row(y_MD, i);
    t.axpy(d_score_D.data_ptr<float>(), y, static_cast<float>(total), width);
    std::fill_n(y, width, 0.0F);
    t.axpy(y, score, static_cast<float>(total), width);
    t.rms_backward(y, row(x_ND, index.row[r]), w, rstd[r], row(dx_ND, index.row[r]), width);
  }
}

}  // namespace afina::model
